"""`k3s server`: the control plane of one server."""

import base64
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import etcd
import node
import pki
import supervisor
import yaml
from config import (
    CONFIG,
    DATA,
    ENCRYPTION,
    KUBECONFIG,
    TLS,
    check_kernel,
    fatal,
    flags,
    log,
    notify_ready,
    program,
    read_config,
    run,
    start,
    token,
    until,
)
from joining import bootstrap, is_reached
from kube import ApiError, local_api
from leader import Leader

MANIFESTS = DATA / "server/manifests"
SHIM = str(DATA / "data/current/bin/containerd-shim-runc-v2")


def run_server(arguments: list) -> None:
    config = read_config()
    check_kernel(config)
    reset = "--cluster-reset" in arguments
    etcd.bury(config)
    if etcd.initialised() and not reset:
        if "server" in config and not is_reached(config, 15):
            log("Unable to reconcile with remote datastore")
        etcd.reconcile()
    elif "server" in config and not reset:
        bootstrap(config)
    elif not config.get("cluster-init") and not reset:
        fatal("neither cluster-init nor server")
    missing = [name for name in supervisor.BOOTSTRAP if not (TLS / name).exists()]
    if missing:
        fatal(f"missing authorities {missing}")
    pki.mint_all(config)
    write_encryption(config)
    if reset:
        if config.get("etcd-s3") and "--etcd-s3=false" not in arguments:
            fatal("cannot use S3 config secret when restoring snapshot")
        paths = [argument.partition("=")[2] for argument in arguments if argument.startswith("--cluster-reset-restore-path=")]
        etcd.reset(config, paths[0] if paths else "")
        return
    run_control_plane(config)


def run_control_plane(config: dict) -> None:
    (etcd.DB.parent / "reset-flag").unlink(missing_ok=True)
    children: list = []
    leaders = [Leader(name, config["node-name"]) for name in ("k3s", "k3s-etcd")]
    signal.signal(signal.SIGTERM, lambda *_: stop(children, leaders))
    write_secrets(config)
    children.append(etcd.open_member(config))
    supervisor.serve(config)
    api_server = start("kube-apiserver", *api_flags(config))
    children.append(api_server)
    until(lambda: api_server.poll() is not None or api_ready(), "kube-apiserver is ready", 120)
    if api_server.poll() is not None:
        fatal("apiserver exited: " + (DATA / "stand-in/kube-apiserver.log").read_text()[-800:])
    write_kubeconfigs(config)
    children += [start(name, *arguments) for name, arguments in controllers(config).items()]
    api = local_api()
    # The server is ready with its API; its own agent goes on trying.
    notify_ready()
    node.register(api, config, etcd.member_name(config))
    # Its own password it verifies by itself; another's under this name is an Event and no more.
    supervisor.accept_node_password(config["node-name"], node.password())
    children.append(node.start_kwok(config, CONFIG / "stand-in.kubeconfig"))
    threading.Thread(target=control, args=leaders, daemon=True).start()
    while True:
        time.sleep(0.5)
        if children[0].poll() is not None and etcd.was_removed(children[0]):
            etcd.mark_removed()
            del children[0]
        if any(child.poll() is not None for child in children):
            log("a component exited")
            os._exit(1)


def stop(children: list, leaders: list) -> None:
    """In order: K3s gives up its leases, and etcd hands over its leadership."""
    for leader in leaders:
        leader.release()
    for child in reversed(children):
        (child.terminate if "etcd" in child.args[3] else child.kill)()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(20)
    os._exit(0)


def control(leader: Leader, etcd_leader: Leader) -> None:
    """The loops of K3s's own controllers; those of a Lease run on the server that holds it."""
    api, applied, learners = local_api(), None, etcd.Learners()
    while True:
        time.sleep(1)
        try:
            leader.renew(api)
            if etcd_leader.renew(api):
                node.keep_nodes(api, etcd.remove_member)
            learners.manage()
            applied = apply_manifests(applied)
            start_kube_vip(api)
        except (OSError, ApiError, RuntimeError) as error:
            log(f"controllers: {error}")


def apply_manifests(applied: object) -> object:
    state = sorted((path.name, path.stat().st_mtime_ns) for path in MANIFESTS.glob("*.yaml"))
    if state != applied and state:
        command = ("apply", "--server-side", "--force-conflicts", "--field-manager=deploy", "-f", MANIFESTS)
        run(program("kubectl"), f"--kubeconfig={CONFIG}/stand-in.kubeconfig", *command)
    return state


def start_kube_vip(api: object) -> None:
    """kube-vip's pod, as containerd would run it: it outlives K3s."""
    daemon_set = api.get("/apis/apps/v1/namespaces/kube-system/daemonsets/kube-vip")
    running = run("pgrep", "-f", SHIM, check=False)
    if daemon_set is None or running:
        return
    container = daemon_set["spec"]["template"]["spec"]["containers"][0]
    values = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    with zipfile.ZipFile(sys.argv[0]) as archive:
        source = archive.read("vip.py").decode()
    runs = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[2]])"
    subprocess.Popen(
        [sys.executable, "-c", runs, SHIM, source],
        env={**os.environ, **values},
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def api_ready() -> bool:
    try:
        local_api().call("GET", "/readyz")
    except (OSError, ApiError):
        return False
    return True


def api_flags(config: dict) -> list:
    defaults = {
        "advertise-address": config["node-ip"],
        "allow-privileged": "true",
        "api-audiences": "https://kubernetes.default.svc.cluster.local,k3s",
        "authorization-mode": "Node,RBAC",
        "bind-address": "127.0.0.1",
        "client-ca-file": TLS / "client-ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "etcd-cafile": TLS / "etcd/server-ca.crt",
        "etcd-certfile": TLS / "etcd/client.crt",
        "etcd-keyfile": TLS / "etcd/client.key",
        "etcd-servers": "https://127.0.0.1:2379",
        "kubelet-client-certificate": TLS / "client-kube-apiserver.crt",
        "kubelet-client-key": TLS / "client-kube-apiserver.key",
        "profiling": "false",
        "requestheader-allowed-names": "system:auth-proxy",
        "requestheader-client-ca-file": TLS / "request-header-ca.crt",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "secure-port": "6444",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": TLS / "service.key",
        "service-account-signing-key-file": TLS / "service.key",
        "service-cluster-ip-range": "10.43.0.0/16",
        "tls-cert-file": TLS / "serving-kube-apiserver.crt",
        "tls-private-key-file": TLS / "serving-kube-apiserver.key",
    }
    given = [argument.partition("=")[0] for argument in config.get("kube-apiserver-arg", [])]
    if "authentication-config" not in given:
        defaults["anonymous-auth"] = "false"
    if config.get("secrets-encryption"):
        defaults["encryption-provider-config"] = ENCRYPTION
    return flags(defaults, config, "kube-apiserver-arg")


def controllers(config: dict) -> dict:
    def kubeconfig(user: str) -> Path:
        path = DATA / f"server/cred/{user}.kubeconfig"
        write_kubeconfig(path, "https://127.0.0.1:6444", user)
        return path

    controller = kubeconfig("client-controller")
    scheduler = kubeconfig("client-scheduler")
    return {
        "kube-controller-manager": flags(
            {
                "kubeconfig": controller,
                "authentication-kubeconfig": controller,
                "authorization-kubeconfig": controller,
                "bind-address": "127.0.0.1",
                "root-ca-file": TLS / "server-ca.crt",
                "service-account-private-key-file": TLS / "service.key",
                "use-service-account-credentials": "true",
            },
            config,
            "kube-controller-manager-arg",
        ),
        "kube-scheduler": flags(
            {
                "kubeconfig": scheduler,
                "authentication-kubeconfig": scheduler,
                "authorization-kubeconfig": scheduler,
                "bind-address": "127.0.0.1",
            },
            config,
            "kube-scheduler-arg",
        ),
    }


def write_kubeconfigs(config: dict) -> None:
    write_kubeconfig(KUBECONFIG, "https://127.0.0.1:6443", "client-admin", int(config.get("write-kubeconfig-mode", "0600"), 8))
    write_kubeconfig(CONFIG / "stand-in.kubeconfig", "https://127.0.0.1:6444", "client-admin")


def write_kubeconfig(path: Path, server: str, user: str, mode: int = 0o600) -> None:
    def data(name: str) -> str:
        return base64.b64encode((TLS / name).read_bytes()).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default", "cluster": {"server": server, "certificate-authority-data": data("server-ca.crt")}}],
        "users": [{"name": "default", "user": {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")}}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
    }
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document))
    path.chmod(mode)


def write_secrets(config: dict) -> None:
    """What K3s keeps of the tokens beside the files that the configuration names."""
    servers, agents = token(config, "token-file"), token(config, "agent-token-file")
    passwords = [text.split("::")[1].partition(":")[2] for text in (servers, agents)]
    passwd = f"{passwords[0]},server,server,k3s:server\n{passwords[1]},node,node,k3s:agent\n"
    for name, text in {"token": servers, "agent-token": agents, "cred/passwd": passwd}.items():
        path = DATA / "server" / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text)


def write_encryption(config: dict) -> None:
    if not config.get("secrets-encryption") or ENCRYPTION.exists():
        return
    key = {"name": "aescbckey", "secret": base64.b64encode(secrets.token_bytes(32)).decode()}
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [{"aescbc": {"keys": [key]}}, {"identity": {}}]}],
    }
    ENCRYPTION.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    ENCRYPTION.touch(mode=0o600)
    ENCRYPTION.write_text(json.dumps(document))
