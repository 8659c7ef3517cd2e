"""Test hosts: real Debian 13 machines with systemd, in a network namespace that has no way out.

Each is a systemd-nspawn machine on an overlay over one cached root file system. The namespace holds the bridge, the
hosts, Terraform and the artefact mirror, so a location's own 192.168.1.x addresses are the hosts' and
no packet can leave. Everything carries this process's id and is removed by it; what a killed run left is swept first.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.hosts.keys import SshKey
from tests.support.waiting import until

PREFIX = "ibtest"
GATEWAY = "192.168.1.1"
MIRROR_PORT = 8000
# trixie's systemd needs cgroup v2; the mount is private to the machine's own mount namespace.
BOOT = """
set -e
if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
  umount -R /sys/fs/cgroup 2>/dev/null || true
  mount -t cgroup2 none /sys/fs/cgroup
fi
# Each machine has a cgroup of its own: systemds that share one remove each other's, and then cannot start a service.
own="/sys/fs/cgroup/$3"
mkdir -p "$own"
echo $$ > "$own/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
# A reboot ends systemd-nspawn with 133, for its service manager to start it again; SIGTERM means power off.
trap : TERM
set +e
status=133
while [ $status -eq 133 ]; do
  systemd-nspawn --quiet --register=no --keep-unit --directory="$2/root" --boot --network-bridge=br0 \\
    --console=read-only --machine="$3" --capability=all --bind-ro="$4:/opt/engines"
  status=$?
done
echo $$ > /sys/fs/cgroup/cgroup.procs
find "$own" -depth -type d -exec rmdir {} +
exit $status
"""


# `sysctl -n <key>` and `sysctl -q -p <file>`.
SYSCTL = """#!/bin/sh
kept=/var/lib/kept-sysctls
mkdir -p $kept
case $1 in
  -n) cat "$kept/$2" 2>/dev/null || exec /usr/sbin/sysctl -n "$2" ;;
  *) sed -n 's/^\\([a-z].*[^ ]\\) *= *\\(.*\\)/\\1 \\2/p' "$3" | while read -r key value; do echo "$value" > "$kept/$key"; done ;;
esac
"""


@dataclass
class Host:
    """A running test host."""

    name: str
    ip: str
    host_key: str
    process: subprocess.Popen[bytes]
    lab: Lab

    def run(self, command: str, *, stdin: str | None = None, check: bool = True) -> str:
        """Standard output of *command*, run on the host by root over SSH."""
        done = self.lab.run(
            *("ssh", "-q", "-i", str(self.lab.folder / "id"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"),
            *("-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=2", f"root@{self.ip}", command),
            stdin=stdin,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {command!r} exited with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def stop(self) -> None:
        """Power off, at the latest by force."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(20)


@dataclass
class Lab:
    """A network of test hosts."""

    folder: Path
    rootfs: Path
    engines: Path
    namespace: str = field(default_factory=lambda: f"{PREFIX}-{os.getpid()}")
    user: SshKey = field(default_factory=lambda: SshKey.make(ed25519.Ed25519PrivateKey))
    hosts: list[Host] = field(default_factory=list[Host])
    k3s_sha256: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def inside(self) -> list[str]:
        """What to put before a command to run it inside the namespace."""
        return ["ip", "netns", "exec", self.namespace]

    def run(self, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run *command* inside the namespace."""
        return subprocess.run([*self.inside, *command], input=stdin, capture_output=True, text=True, check=False)

    def start(self, *command: str, log: Path, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start *command* inside the namespace, its output in *log*."""
        with log.open("wb") as output:
            return subprocess.Popen(
                [*self.inside, *command],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_host(self, name: str, ip: str) -> Host:
        """Boot a fresh host and wait until it answers over SSH; the one that had its address is switched off."""
        for earlier in self.hosts:
            if earlier.ip == ip:
                earlier.stop()
        scratch = self.folder / f"{name}-{len(self.hosts)}"
        key = SshKey.make(ec.EllipticCurvePrivateKey)
        _prepare(scratch, name, ip, key, self.user.public)
        boot = [
            "unshare",
            "-m",
            "sh",
            "-c",
            BOOT,
            "sh",
            str(self.rootfs),
            str(scratch),
            f"{PREFIX}-{name}-{os.getpid()}",
            str(self.engines),
        ]
        process = self.start(*boot, log=scratch / "console")
        host = Host(name, ip, key.public, process, self)
        self.hosts.append(host)
        until(lambda: _booted(host, scratch), f"{name} answers over SSH", 60)
        return host


def _booted(host: Host, scratch: Path) -> bool:
    if host.process.poll() is not None:
        raise AssertionError(f"{host.name} did not boot: {(scratch / 'console').read_text(errors='replace')}")
    return host.run("true; echo up", check=False) == "up\n"


def _prepare(scratch: Path, name: str, ip: str, key: SshKey, authorized: str) -> None:
    files = {
        "etc/hostname": (f"{name}\n", 0o644),
        "etc/systemd/network/10-host0.network": (f"[Match]\nName=host0\n[Network]\nAddress={ip}/24\nGateway={GATEWAY}\n", 0o644),
        "etc/ssh/ssh_host_ecdsa_key": (key.private, 0o600),
        "etc/ssh/ssh_host_ecdsa_key.pub": (key.public, 0o644),
        "root/.ssh/authorized_keys": (authorized + "\n", 0o600),
        "etc/hosts": (f"127.0.0.1 localhost\n{ip} {name}\n", 0o644),
        "etc/apt/sources.list": (f"deb [trusted=yes] http://{GATEWAY}:{MIRROR_PORT}/debian ./\n", 0o644),
        # The kernel is the machine's, so these two only keep what they are told.
        "usr/local/sbin/sysctl": (SYSCTL, 0o755),
        "usr/local/sbin/modprobe": ("#!/bin/sh\nexit 0\n", 0o755),
    }
    for folder in ("work", "root"):
        (scratch / folder).mkdir(parents=True)
    for path, (text, mode) in files.items():
        target = scratch / "upper" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
    for folder in ("root", "root/.ssh"):
        (scratch / "upper" / folder).chmod(0o700)
    wants = scratch / "upper/etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "systemd-networkd.service").symlink_to("/usr/lib/systemd/system/systemd-networkd.service")


@contextlib.contextmanager
def open_lab(folder: Path, rootfs: Path, engines: Path, artefacts: Path) -> Generator[Lab]:
    """A lab whose mirror serves *artefacts* at `http://192.168.1.1:8000`; its log is `<folder>/mirror.log`."""
    _sweep()
    lab = Lab(folder, rootfs, engines)
    key = folder / "id"
    key.write_text(lab.user.private)
    key.chmod(0o600)
    mirror = None
    try:
        _ip("netns", "add", lab.namespace)
        for command in ("link set lo up", "link add br0 type bridge", f"address add {GATEWAY}/24 dev br0", "link set br0 up"):
            _ip("-n", lab.namespace, *command.split())
        serve = (sys.executable, "-u", "-m", "http.server", str(MIRROR_PORT), "--bind", GATEWAY)
        mirror = lab.start(*serve, log=folder / "mirror.log", cwd=artefacts)
        yield lab
    finally:
        if mirror:
            mirror.kill()
            mirror.wait()
        for host in lab.hosts:
            host.stop()
        _ip("netns", "delete", lab.namespace)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _sweep() -> None:
    """Remove what killed runs left: a namespace whose process is gone, and the processes in it."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        name = line.split()[0]
        prefix, _, pid = name.partition("-")
        if prefix == PREFIX and not Path(f"/proc/{pid}").exists():
            pids = subprocess.run(["ip", "netns", "pids", name], check=True, capture_output=True, text=True).stdout.split()
            for left in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(left), signal.SIGKILL)
            _ip("netns", "delete", name)


def missing_tools() -> list[str]:
    """What this machine lacks to run test hosts."""
    needed = ["ip", "ssh", "unshare", "systemd-nspawn", "mmdebstrap", "terraform"]
    missing = [tool for tool in needed if not shutil.which(tool)]
    return missing + ([] if os.geteuid() == 0 else ["root"])
