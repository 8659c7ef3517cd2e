"""`k3s etcd-snapshot save|ls`."""

import sys
import time

import etcd
from config import CONFIG, DATA, fatal, log, read_config

FOLDER = DATA / "server/db/snapshots"
BUCKET = CONFIG / "stand-in-bucket"  # a test makes it where the bucket answers


def main(arguments: list) -> None:
    command, *options = arguments
    config = read_config()
    for key in config:
        sys.stderr.write(f'level=warning msg="Unknown flag --{key} found in config.yaml, skipping"\n')
    # K3s asks for the bucket before anything else, whatever the command.
    if config.get("etcd-s3") and "--etcd-s3=false" not in options and not BUCKET.exists():
        fatal("failed to initialize S3 client: failed to test for existence of bucket: no route to host")
    if command == "save":
        name = options[options.index("--name") + 1] if "--name" in options else "on-demand"
        FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = FOLDER / f"{name}-{config['node-name']}-{int(time.time())}"
        etcd.ctl("snapshot", "save", str(target))
        log(f"Snapshot {target.name} saved.")
    elif command == "ls":
        print("Name\tLocation\tSize\tCreated")
        for path in sorted(FOLDER.glob("*")):
            made = time.strftime("%FT%TZ", time.gmtime(path.stat().st_mtime))
            print(f"{path.name}\tfile://{path}\t{path.stat().st_size}\t{made}")
    else:
        sys.exit(f"unknown command {command}")
