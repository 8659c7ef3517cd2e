"""The etcd member of this server: founds, joins, starts again, leaves."""

import hashlib
import json
import shutil
import subprocess
import time
import uuid
from pathlib import Path

from config import DATA, DB, TLS, fatal, log, program, run, start, token, until
from joining import request

FOUNDINGS = "/bootstrap/"


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
        process = launch(config)
    elif "server" in config:
        process = _join(config)
    else:
        me = f"{member_name(config)}=https://{config['node-ip']}:2380"
        log("founding a new etcd cluster")
        process = launch(config, f"--initial-cluster={me}", "--initial-cluster-state=new")
    until(lambda: process.poll() is not None or healthy(), "etcd is healthy", 90)
    if process.poll() is not None:
        fatal("etcd exited: " + (DATA / "stand-in/etcd.log").read_text()[-800:])
    _check_bootstrap_key(config)
    return process


def was_removed(process: subprocess.Popen) -> bool:
    """Did etcd stop because others removed this member?"""
    return process.poll() is not None and "removed from the cluster" in (DATA / "stand-in/etcd.log").read_text()[-20000:]


def bury() -> None:
    """A member that others removed starts afresh, by `server` or, where that is not set, as the founder of a second cluster."""
    if (DB / "tombstone").exists():
        log("tombstone file has been detected, removing data dir to rejoin the cluster")
        DB.rename(DB.parent / f"etcd-old-{uuid.uuid4().hex[:8]}")


def healthy() -> bool:
    return ctl("endpoint", "health", check=False, seconds=5) != ""


def _join(config: dict) -> subprocess.Popen:
    ip, name = config["node-ip"], member_name(config)
    endpoint = ",".join(url for member in json.loads(request(config, "token-file", "/db/info"))["members"] for url in member["clientURLs"])
    known = members(endpoint)
    for member in known:
        if member.get("name", "").rpartition("-")[0] == config["node-name"] and member["name"] != name:
            (DB / "name").unlink()
            fatal("ETCD join failed: duplicate node name found, please use a unique name for this node")
    peer = f"https://{ip}:2380"
    if not any(peer in member["peerURLs"] for member in known):
        ctl("member", "add", name, f"--peer-urls={peer}", "--learner", endpoint=endpoint)
    cluster = [f"{m.get('name') or name}={m['peerURLs'][0]}" for m in members(endpoint)]
    process = launch(config, f"--initial-cluster={','.join(cluster)}", "--initial-cluster-state=existing")
    me = next(member for member in members(endpoint) if peer in member["peerURLs"])
    if me.get("isLearner"):
        until(lambda: ctl("member", "promote", f"{me['ID']:x}", endpoint=endpoint, check=False) != "", "the learner is promoted", 60)
    return process


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
    if flag.exists():
        fatal("Managed etcd cluster membership has been reset previously; start K3s once without --cluster-reset")
    if "server" in config:
        fatal("cannot perform cluster-reset while server URL is set - remove server from configuration before resetting")
    if path:
        if not Path(path).is_file():
            fatal(f"etcd: snapshot path does not exist: {path}")
        if DB.exists():
            DB.rename(DB.parent / f"etcd-old-{uuid.uuid4().hex[:8]}")
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
