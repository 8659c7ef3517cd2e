"""`k3s etcd-snapshot save|ls`."""

import sys
import time

import etcd
from config import DATA, log, read_config

FOLDER = DATA / "server/db/snapshots"


def main(arguments: list) -> None:
    command, *options = arguments
    if command == "save":
        name = options[options.index("--name") + 1] if "--name" in options else "on-demand"
        FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = FOLDER / f"{name}-{read_config()['node-name']}-{int(time.time())}"
        etcd.ctl("snapshot", "save", str(target))
        log(f"Snapshot {target.name} saved.")
    elif command == "ls":
        print("Name\tLocation\tSize\tCreated")
        for path in sorted(FOLDER.glob("*")):
            made = time.strftime("%FT%TZ", time.gmtime(path.stat().st_mtime))
            print(f"{path.name}\tfile://{path}\t{path.stat().st_size}\t{made}")
    else:
        sys.exit(f"unknown command {command}")
