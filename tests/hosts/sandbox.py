"""A Debian 13 root in which one of our scripts runs by itself, with stand-ins for the programs that act on a machine.

Nothing is booted: an overlay on the test hosts' root file system, in mount and network namespaces that end with the run.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ib_constructs.cluster.k3s import SCRIPTS

RUN = """
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
mount --bind /dev "$2/root/dev"
ip link set lo up
root="$2/root"; shift 2
exec chroot "$root" /usr/bin/env -i PATH=/stub/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
"""
# Each stand-in writes down how it was called. Files below /stub say how they behave.
STUBS = {
    "systemctl": """
case "$*" in
  "is-active --quiet k3s") [ -f /stub/k3s-active ] ;;
  "is-active --quiet "*) false ;;
  *" k3s")
    case "$*" in
      *restart*|*start*)
        rm -f /stub/k3s-active
        grep -q "$(cat /stub/refused 2>/dev/null || echo nothing-at-all)" /etc/rancher/k3s/config.yaml && exit 1
        touch /stub/k3s-active ;;
      *stop*|*disable*) rm -f /stub/k3s-active ;;
    esac ;;
esac
""",
    "journalctl": "echo journal says why",
    "timeout": 'shift; exec "$@"',
    "sleep": "exit 0",
    # Time goes by from one look at the clock to the next.
    "date": """
[ "$*" = +%s ] || exec /usr/bin/date "$@"
now=$(($(cat /stub/now 2>/dev/null || echo 0) + 10))
echo $now | tee /stub/now
""",
    "curl": """
for each; do
  case $each in *://*) url=$each ;; esac
  [ "$previous" != -o ] || out=$each
  previous=$each
done
case "$*" in *--cacert*ping* | *--cacert*readyz*) [ -f /stub/down ] && exit 7; exit 0 ;; esac
key=$(echo "$url" | sed 's|.*://||; s|[/:]|_|g')
[ -f "/stub/web/$key" ] || exit "$(cat "/stub/web/$key.code" 2>/dev/null || echo 7)"
if [ -n "$out" ]; then cp "/stub/web/$key" "$out"; else cat "/stub/web/$key"; fi
""",
    "apt-get": """
case "$*" in
  *update*)
    [ ! -f /stub/no-mirror ] || { echo "E: mirror away" >&2; exit 100; }
    if [ -s /stub/locked ]; then
      sed -i 1d /stub/locked
      echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)" >&2
      exit 100
    fi ;;
esac
""",
    "dpkg-query": 'for last; do :; done; grep -qx "$last" /stub/packages && printf installed',
    "sysctl": "exit 0",
    "modprobe": "[ ! -f /stub/no-modules ]",
    "nft": "exit 0",
    "ip": """
case "$*" in
  *"address show to 192.168.1.11/32"*) echo '2: eth0    inet 192.168.1.11/24 brd 192.168.1.255 scope global eth0' ;;
  *"address show to 10."*) cat /stub/own-addresses 2>/dev/null ;;
  *"route show default"*) cat /stub/default-route 2>/dev/null || echo 'default via 192.168.1.1 dev eth0' ;;
  *"route show"*) cat /stub/routes 2>/dev/null ;;
esac
exit 0
""",
    "pgrep": "exit 1",
    # What is to be run there is run here.
    "ssh": """
for last; do :; done
for each; do case $each in *@*) [ ! -f "/stub/away-$each" ] || exit 255 ;; esac; done
exec sh -c "$last"
""",
}
K3S = """#!/bin/sh
echo "k3s $*" >> /stub/calls
case "$*" in
  --version) echo "k3s version $(cat /stub/version 2>/dev/null || echo v1.36.5+k3s1) (stub)" ;;
  *"get --raw /readyz") [ ! -f /stub/not-ready ] ;;
  *"jsonpath={.metadata.labels"*) [ ! -f /stub/no-api ] || { echo "connection refused" >&2; exit 1; }
    cat /stub/label 2>/dev/null || { echo "Error from server (NotFound): nodes not found" >&2; exit 1; } ;;
  *"/given}") [ ! -f /stub/no-api ] || { echo "connection refused" >&2; exit 1; }
    cat /stub/given 2>/dev/null || true ;;
  *"jsonpath={range .spec.taints"*) cat /stub/taints 2>/dev/null || true ;;
  *annotate*given=*) echo "${*##*given=}" > /stub/given ;;
  *annotate*given-) rm /stub/given ;;
  *"get secrets"*) cat /stub/secrets 2>/dev/null ;;
  *"{.spec.renewTime}"*) cat /stub/lease 2>/dev/null || echo 2099-01-01T00:00:00.000000Z ;;
  *"{.status.nodeInfo"*) echo "$(cat /stub/version 2>/dev/null || echo v1.36.5+k3s1) True" ;;
  *"get nodes -l"*) cat /stub/addresses 2>/dev/null ;;
  *volumes-may-go*) cat /stub/word 2>/dev/null ;;
  *"get namespace ingress"*) [ -f /stub/ingress-gone ] || echo namespace/ingress ;;
  *"get persistentvolumes"*) [ ! -f /stub/no-answer ] || exit 1; cat /stub/claims 2>/dev/null || true ;;
  *"get customresourcedefinition"*) [ ! -f /stub/copies ] || echo customresourcedefinition/replicas.longhorn.io ;;
  *"get node a1 --ignore"*) [ ! -f /stub/no-api ] || exit 1; [ -f /stub/gone ] || echo node/a1 ;;
  *"get nodes -o"*) printf '%s leaves=\n' 's1 ready=True' 'b1 ready=False' 'a1 ready=True'; echo 'c1 ready=True leaves=yes' ;;
  *"get replicas"*) cat /stub/copies; if [ -f /stub/evicted ]; then mv /stub/evicted /stub/copies; fi ;;
  *drain*)
    [ ! -f /stub/budget ] || { echo "error when evicting pods/kept: it would violate the pod's disruption budget." >&2; exit 1; } ;;
  *"delete node"*) [ ! -f /stub/no-delete ] ;;
  *--cluster-reset*)
    [ ! -f /stub/no-reset ] || { echo "level=fatal msg=bad snapshot"; exit 1; }
    mkdir -p /var/lib/rancher/k3s/server/db/etcd/member/wal ;;
esac
"""
# bash runs this before each of the script's commands.
KILL_AT = "set -T; trap 'n=$((n + 1)); echo $n > /stub/steps; [ $n -ne \"$KILL_AT\" ] || kill -9 $$' DEBUG\n"


class Sandbox:
    """`folder` keeps what runs change; several runs see each other's changes."""

    def __init__(self, rootfs: Path, folder: Path) -> None:
        self.rootfs, self.folder = rootfs, folder
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, text in STUBS.items():
            self.write(f"stub/bin/{name}", f'#!/bin/sh\necho "{name} $*" >> /stub/calls\n{text}\n', 0o755)
        self.write("stub/k3s", K3S, 0o755)
        self.write("stub/kill-at", KILL_AT)
        self.write("stub/packages", "curl\nnftables\nchrony\nunattended-upgrades\nnfs-common\nopen-iscsi\n")

    def path(self, name: str) -> Path:
        """Where *name* of the sandbox's root is kept."""
        return self.folder / "upper" / name

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Put a file there."""
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def run(
        self, script: str, environment: Mapping[str, str], files: Mapping[str, str] | None = None, *, kill_at: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a script as `run_script` would on a server; *kill_at*: with SIGKILL before that command of it."""
        stage = self.path("run/inference-platform/stage")
        shutil.rmtree(stage, ignore_errors=True)
        shutil.copytree(SCRIPTS, stage)
        bundle = "".join(f"{name} {base64.b64encode(text.encode()).decode()}\n" for name, text in (files or {}).items())
        (stage / "files.bundle").write_text(bundle)
        variables = [f"{key}={value}" for key, value in {"SERVER_NAME": "s1", **environment}.items()]
        shell = ["sh"] if kill_at is None else ["env", "BASH_ENV=/stub/kill-at", f"KILL_AT={kill_at}", "bash"]
        return self.enter(*variables, *shell, f"/run/inference-platform/stage/{script}.sh")

    def enter(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run *command*, which may begin with variables, in the sandbox."""
        places = [str(self.rootfs), str(self.folder)]
        return subprocess.run(
            ["unshare", "-m", "-n", "sh", "-c", RUN, "sh", *places, *command], capture_output=True, text=True, check=False
        )

    def calls(self) -> list[str]:
        """How the stand-ins were called so far, in order."""
        return self.path("stub/calls").read_text().splitlines()

    def tree(self) -> dict[str, str]:
        """Every file and its mode and content, as the runs left it; what stand-ins and uploads keep is left out."""
        found: dict[str, str] = {}
        for path in sorted(self.path("").rglob("*")):
            name = str(path.relative_to(self.path("")))
            if name.startswith(("stub", "run/inference-platform", "var/lib/.preflight")) or path.is_dir():
                continue
            status = path.lstat()
            if path.is_file():  # else what overlay leaves of a file of the root file system that is gone
                found[name] = f"{status.st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
        return found
