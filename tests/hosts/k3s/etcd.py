"""The etcd member of this server: founds, joins, starts again, leaves."""

import hashlib
import json
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

from config import DATA, DB, TLS, fatal, log, program, run, start, token, until
from joining import request

FOUNDINGS = "/bootstrap/"
SECONDS_BETWEEN_PROMOTIONS = 15
SECONDS_TO_EVICTION = 300


def initialised() -> bool:
    """K3s's own question. The folder alone says nothing: it holds the member's name before etcd ever ran."""
    return (DB / "member/wal").is_dir()


def member_name(config: dict, *, new: bool = False) -> str:
    file = DB / "name"
    if new or not file.exists():
        DB.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(f"{config['node-name']}-{uuid.uuid4().hex[:8]}")
    return file.read_text()


def ctl(*arguments: str, endpoint: str = "https://127.0.0.1:2379", check: bool = True, seconds: int = 30) -> str:
    keys = [f"--cacert={TLS}/etcd/server-ca.crt", f"--cert={TLS}/etcd/client.crt", f"--key={TLS}/etcd/client.key"]
    return run(program("etcdctl"), f"--endpoints={endpoint}", f"--command-timeout={seconds}s", *keys, *arguments, check=check)


def members(endpoint: str = "https://127.0.0.1:2379") -> list:
    return json.loads(ctl("member", "list", "-w", "json", endpoint=endpoint))["members"]


def launch(config: dict, *extra: str) -> subprocess.Popen:
    ip, name = config["node-ip"], member_name(config)
    return start(
        "etcd",
        f"--name={name}",
        f"--data-dir={DB}",
        *(f"--listen-client-urls=https://127.0.0.1:2379,https://{ip}:2379", f"--advertise-client-urls=https://{ip}:2379"),
        *(f"--listen-peer-urls=https://127.0.0.1:2380,https://{ip}:2380", f"--initial-advertise-peer-urls=https://{ip}:2380"),
        *("--client-cert-auth=true", f"--trusted-ca-file={TLS}/etcd/server-ca.crt"),
        *(f"--cert-file={TLS}/etcd/server-client.crt", f"--key-file={TLS}/etcd/server-client.key"),
        *("--peer-client-cert-auth=true", f"--peer-trusted-ca-file={TLS}/etcd/peer-ca.crt"),
        *(f"--peer-cert-file={TLS}/etcd/peer-server-client.crt", f"--peer-key-file={TLS}/etcd/peer-server-client.key"),
        # K3s's values.
        *("--heartbeat-interval=500", "--election-timeout=5000", "--logger=zap", "--log-level=warn"),
        *extra,
    )


def open_member(config: dict) -> subprocess.Popen:
    """Start etcd: found a cluster, join the one behind `server`, or go on."""
    if initialised():
        log("Managed etcd cluster bootstrap already complete and initialized")
        process = launch(config)
    elif "server" in config:
        process = _join(config)
    else:
        me = f"{member_name(config)}=https://{config['node-ip']}:2380"
        log("Managed etcd cluster initializing")
        log("Starting etcd for new cluster, cluster-reset=false")
        process = launch(config, f"--initial-cluster={me}", "--initial-cluster-state=new")
    # A learner answers when the others have made a member of it, and a member when it sees the majority: however long that takes.
    until(lambda: process.poll() is not None or healthy(), "etcd is healthy", float("inf"))
    if was_removed(process):
        mark_removed()
        fatal("etcd exited: the member has been permanently removed from the cluster")
    if process.poll() is not None:
        fatal("etcd exited: " + (DATA / "stand-in/etcd.log").read_text()[-800:])
    _check_bootstrap_key(config)
    return process


def reconcile() -> None:
    """K3s reads what it keeps in etcd from etcd's own files before etcd runs; files too young to have it end the start."""
    database = DB / "member/snap/db"
    content = database.read_bytes() if database.exists() else b""
    if b"consistent_index" not in content:
        fatal("failed to read consistent index")
    if FOUNDINGS.encode() not in content:
        fatal("no bootstrap data found in datastore - check server token value and verify datastore integrity")


def was_removed(process: subprocess.Popen) -> bool:
    """Did etcd stop because others removed this member?"""
    return process.poll() is not None and "removed from the cluster" in (DATA / "stand-in/etcd.log").read_text()[-20000:]


def mark_removed() -> None:
    """K3s goes on without etcd; only its next start rejoins."""
    (DB / "tombstone").touch()
    log("this node has been removed from the cluster please restart k3s to rejoin the cluster")


def bury(config: dict) -> None:
    """A member that others removed starts afresh, where it is told whom to join."""
    if (DB / "tombstone").exists():
        if "server" not in config:
            fatal("tombstone file has been detected but --server is empty")
        log(f"tombstone file has been detected, removing {DB.parent} to rejoin the cluster")
        shutil.move(DB, DB.parent / f"etcd-backup-{int(time.time())}")
        (DATA / "stand-in/etcd.log").unlink(missing_ok=True)  # what it says of the removal is of the member that was


def healthy() -> bool:
    return ctl("endpoint", "health", check=False, seconds=5) != ""


def _join(config: dict) -> subprocess.Popen:
    ip, name = config["node-ip"], member_name(config)
    info = json.loads(request(config, "token-file", "/db/info"))["members"]
    endpoint = ",".join(url for member in info if not member.get("isLearner") for url in member["clientURLs"])
    known = members(endpoint)
    for member in known:
        if member.get("name", "").rpartition("-")[0] == config["node-name"] and member["name"] != name:
            (DB / "name").unlink()
            log("ETCD join failed: duplicate node name found, please use a unique name for this node")
            log("Shutdown request received")
            os._exit(0)
    peer = f"https://{ip}:2380"
    while not any(peer in member["peerURLs"] for member in known):
        # Refused while the cluster is not healthy or has a learner already.
        refused = _add(name, peer, endpoint)
        known = members(endpoint)
        if refused:
            log(f"Failed to add member, retrying: {refused}")
            time.sleep(5)
    cluster = [f"{m.get('name') or name}={m['peerURLs'][0]}" for m in known]
    log(f"Starting etcd to join cluster with members {cluster}")
    return launch(config, f"--initial-cluster={','.join(cluster)}", "--initial-cluster-state=existing")


def _add(name: str, peer: str, endpoint: str) -> str:
    try:
        ctl("member", "add", name, f"--peer-urls={peer}", "--learner", endpoint=endpoint)
    except RuntimeError as error:
        return str(error)
    return ""


class Learners:
    """The etcd leader's K3s looks every 15 s: a learner that kept up becomes a member, one that stalls for 5 min is evicted."""

    def __init__(self) -> None:
        self.looked = time.monotonic()
        self.progress: tuple = ()

    def manage(self) -> None:
        if time.monotonic() - self.looked < SECONDS_BETWEEN_PROMOTIONS:
            return
        self.looked = time.monotonic()
        status = _status("https://127.0.0.1:2379")
        if not status or status["header"]["member_id"] != status["leader"]:
            return
        for member in members():
            if member.get("isLearner") and ctl("member", "promote", f"{member['ID']:x}", check=False) == "":
                self._track(member)

    def _track(self, member: dict) -> None:
        status = _status(",".join(member.get("clientURLs", [])))
        index = status.get("raftAppliedIndex", 0) if status else 0
        if self.progress[:1] != (member["ID"],) or index > self.progress[1]:
            self.progress = (member["ID"], index, time.monotonic())
        elif time.monotonic() - self.progress[2] > SECONDS_TO_EVICTION:
            log(f"Removed learner {member.get('name')} from etcd cluster")
            ctl("member", "remove", f"{member['ID']:x}")


def _status(endpoint: str) -> dict:
    answer = ctl("endpoint", "status", "-w", "json", endpoint=endpoint, check=False, seconds=5) if endpoint else ""
    return json.loads(answer)[0]["Status"] if answer else {}


def remove_member(name: str) -> None:
    for member in members():
        if member.get("name") == name:
            log(f"removing etcd member {name}")
            ctl("member", "remove", f"{member['ID']:x}")


def _check_bootstrap_key(config: dict) -> None:
    """K3s keeps the authorities in etcd, encrypted with the token: another token cannot open them."""
    key = FOUNDINGS + hashlib.sha256(token(config, "token-file").split("::")[1].encode()).hexdigest()[:12]
    found = ctl("get", FOUNDINGS, "--prefix", "--keys-only").split()
    if not found:
        ctl("put", key, "founded")
    elif key not in found:
        fatal("bootstrap data already found and encrypted with different token")


def reset(config: dict, path: str) -> None:
    """`--cluster-reset`: this member alone, from a snapshot where *path* names one."""
    flag = DB.parent / "reset-flag"
    if flag.exists() and not path:
        fatal("Managed etcd cluster membership has been reset previously; start K3s once without --cluster-reset")
    if "server" in config:
        fatal("cannot perform cluster-reset while server URL is set - remove server from configuration before resetting")
    if path:
        if not Path(path).is_file():
            fatal(f"etcd: snapshot path does not exist: {path}")
        if DB.exists():
            DB.rename(DB.parent / f"etcd-old-{int(time.time())}")
        name, peer = f"{config['node-name']}-{uuid.uuid4().hex[:8]}", f"https://{config['node-ip']}:2380"
        DB.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        run(
            *(program("etcdutl"), "snapshot", "restore", path, f"--data-dir={DB}", f"--name={name}"),
            *(f"--initial-cluster={name}={peer}", f"--initial-advertise-peer-urls={peer}"),
        )
        (DB / "name").write_text(name)
        process = launch(config)
    else:
        process = launch(config, "--force-new-cluster")
    until(lambda: process.poll() is not None or healthy(), "etcd is healthy", 60)
    if process.poll() is not None:
        fatal("etcd exited: " + (DATA / "stand-in/etcd.log").read_text()[-800:])
    _check_bootstrap_key(config)
    process.terminate()
    process.wait()
    flag.touch()
    if path:
        shutil.copytree(TLS, TLS.with_name(f"tls-{int(time.time())}"))
    log("Managed etcd cluster membership has been reset, restart without --cluster-reset flag now")
