"""This machine as a Node: registered as the kubelet does it, made Ready by kwok."""

import platform
import secrets
import time
from pathlib import Path

from config import NODE_PASSWORD, log, start, version
from kube import Api, ApiError

ETCD_FINALIZER = "wrangler.cattle.io/managed-etcd-controller"
NODE_FINALIZER = "wrangler.cattle.io/node"
PASSWORDS = "/api/v1/namespaces/kube-system/secrets"


def password() -> str:
    """Made at the first start, and gone with the machine."""
    if not NODE_PASSWORD.exists():
        NODE_PASSWORD.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        NODE_PASSWORD.touch(mode=0o600)
        NODE_PASSWORD.write_text(secrets.token_hex(16))
    return NODE_PASSWORD.read_text()


def register(api: Api, config: dict, member: str | None) -> None:
    """Create the Node, or bring its versions up to date. Labels of the configuration count at creation only."""
    name, path = config["node-name"], f"/api/v1/nodes/{config['node-name']}"
    annotations = {"kwok.x-k8s.io/node": "fake", "k3s.io/internal-ip": config["node-ip"]}
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    labels |= dict(label.split("=", 1) for label in config.get("node-label", []))
    if member:
        annotations |= {"etcd.k3s.cattle.io/node-name": member, "etcd.k3s.cattle.io/node-address": config["node-ip"]}
        labels |= {"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/etcd": "true"}
    info = {
        "machineID": Path("/etc/machine-id").read_text().strip(),
        "bootID": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "systemUUID": "",
        "kernelVersion": platform.release(),
        "osImage": "Debian GNU/Linux 13 (trixie)",
        "containerRuntimeVersion": "containerd://2.3.2-k3s1",
        "kubeletVersion": version(),
        "kubeProxyVersion": version(),
        "operatingSystem": "linux",
        "architecture": "amd64",
    }
    status = {"nodeInfo": info, "addresses": [{"type": "InternalIP", "address": config["node-ip"]}]}
    while True:
        try:
            if api.get(path) is None:
                api.call("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels, "annotations": annotations}})
            else:
                api.patch(path, {"metadata": {"annotations": annotations}})
            api.patch(path + "/status", {"status": status})
        except (OSError, ApiError) as error:
            log(f"Unable to register node with API server: {error}")
            time.sleep(1)
        else:
            return


def start_kwok(config: dict, kubeconfig: Path) -> object:
    name = config["node-name"]
    # Each kwok is another holder to the Lease, unlike a kubelet that comes back: so it soon runs out.
    keeps = (f"--manage-single-node={name}", "--node-lease-duration-seconds=4")
    return start("kwok", f"--kubeconfig={kubeconfig}", f"--node-ip={config['node-ip']}", *keeps)


def keep_nodes(api: Api, remove_member: object) -> None:
    """What K3s's controllers do for all Nodes: a deleted one takes its etcd member with it, and owns its password."""
    for node in api.call("GET", "/api/v1/nodes")["items"]:
        metadata, path = node["metadata"], f"/api/v1/nodes/{node['metadata']['name']}"
        etcd = "node-role.kubernetes.io/etcd" in metadata["labels"]
        wanted = [NODE_FINALIZER, *([ETCD_FINALIZER] if etcd else [])]
        if "deletionTimestamp" not in metadata:
            if metadata.get("finalizers", []) != wanted:
                api.patch(path, {"metadata": {"finalizers": wanted}})
            _own_password(api, metadata)
            continue
        if etcd:
            remove_member(metadata["annotations"]["etcd.k3s.cattle.io/node-name"])
        api.patch(path, {"metadata": {"finalizers": None}})


def _own_password(api: Api, node: dict) -> None:
    """Kubernetes's garbage collection takes the Secret some time after its Node."""
    path = f"{PASSWORDS}/{node['name']}.node-password.k3s"
    secret = api.get(path)
    if secret and not secret["metadata"].get("ownerReferences"):
        owner = {"apiVersion": "v1", "kind": "Node", "name": node["name"], "uid": node["uid"]}
        api.patch(path, {"metadata": {"ownerReferences": [owner]}})
