"""Places, configuration and the programs behind."""

import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import yaml

CONFIG = Path("/etc/rancher/k3s")
DATA = Path("/var/lib/rancher/k3s")
TLS = DATA / "server/tls"
DB = DATA / "server/db/etcd"
ENCRYPTION = DATA / "server/cred/encryption-config.json"
# What all servers have in common, as far as we set it.
CRITICAL = ("cluster-cidr", "disable-helm-controller", "embedded-registry", "flannel-backend", "secrets-encryption", "service-cidr")
KUBECONFIG = CONFIG / "k3s.yaml"
NODE_PASSWORD = Path("/etc/rancher/node/password")
REFUSE = Path("/root/refuse-configuration")  # a test writes text here; a configuration that holds it is fatal
KERNEL = {"vm.panic_on_oom": "0", "vm.overcommit_memory": "1", "kernel.panic": "10", "kernel.panic_on_oops": "1"}


def fatal(text: str) -> None:
    sys.stderr.write(f'level=fatal msg="{text}"\n')
    sys.stderr.flush()
    os._exit(1)


def log(text: str) -> None:
    sys.stderr.write(f'level=info msg="{text}"\n')
    sys.stderr.flush()


def version() -> str:
    with zipfile.ZipFile(sys.argv[0]) as archive:
        return archive.read("VERSION").decode()


def program(name: str) -> str:
    return f"/opt/engines/{name}"


def read_config() -> dict:
    """K3s merges its files key by key, the later one wins."""
    config: dict = {}
    texts = []
    for path in [CONFIG / "config.yaml", *sorted((CONFIG / "config.yaml.d").glob("*.yaml"))]:
        text = path.read_text()
        texts.append(text)
        config.update(yaml.safe_load(text) or {})
    if REFUSE.exists() and REFUSE.read_text().strip() in "\n".join(texts):
        fatal("invalid configuration")
    return config


def token(config: dict, key: str) -> str:
    """`K10<hash>::<user>:<password>`."""
    return Path(config[key]).read_text().strip()


def flags(defaults: dict, config: dict, key: str) -> list:
    """Arguments of a component: K3s's own, with the configuration's `<component>-arg` over them."""
    merged = {**defaults, **dict(argument.split("=", 1) for argument in config.get(key, []))}
    return [f"--{name}={value}" for name, value in merged.items()]


def start(name: str, *arguments: str) -> subprocess.Popen:
    """A child that dies with us, as the parts of K3s's one process do. Its log goes to a file, what is wrong to ours."""
    folder = DATA / "stand-in"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.log").open("ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program(name), *arguments], stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )


def run(*command: object, check: bool = True, **options: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    if check and done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()[-600:]}")
    return done.stdout


def until(condition: object, what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fatal(f"not within {seconds} s: {what}")
        time.sleep(0.2)


def notify_ready() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def check_kernel(config: dict) -> None:
    if not config.get("protect-kernel-defaults"):
        return
    wrong = {name: run("sysctl", "-n", name).strip() for name, value in KERNEL.items() if run("sysctl", "-n", name).strip() != value}
    if wrong:
        fatal(f"kubelet exited: invalid kernel flags: {wrong}")
