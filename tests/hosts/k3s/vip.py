"""kube-vip's part: the holder of a Lease has the address. Runs by itself; the variables are the container's.

It asks the API by the kubeconfig it is given, K3s's own at 127.0.0.1, and gives the address up when it cannot renew.
"""

import base64
import datetime as dt
import json
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import urllib.request

import yaml

VIP = os.environ["address"]
ME = socket.gethostname()
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
NAME = "plndr-cp-lock"


def client() -> tuple:
    with open(os.environ["k8s_config_file"]) as file:
        config = yaml.safe_load(file)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        pem.flush()
        context.load_cert_chain(pem.name)
    return cluster["server"], context


def call(method: str, path: str, body: object = None) -> dict:
    server, context = client()
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(server + path, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, context=context, timeout=2) as answer:
        return json.load(answer)


def holds() -> bool:
    """Try to hold the Lease."""
    now = dt.datetime.now(dt.UTC)
    spec = {"holderIdentity": ME, "leaseDurationSeconds": int(os.environ["vip_leaseduration"]), "renewTime": f"{now:%FT%T.%fZ}"}
    try:
        lease = call("GET", f"{LEASES}/{NAME}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        call("POST", LEASES, {"metadata": {"name": NAME}, "spec": spec})
        return True
    held = lease["spec"]
    age = (now - dt.datetime.fromisoformat(held["renewTime"])).total_seconds()
    if held["holderIdentity"] != ME and age < held["leaseDurationSeconds"]:
        return False
    call("PUT", f"{LEASES}/{NAME}", {**lease, "spec": {**held, **spec}})
    return True


def announce(link: str) -> None:
    """Gratuitous ARP."""
    with open(f"/sys/class/net/{link}/address") as file:
        mac = bytes.fromhex(file.read().strip().replace(":", ""))
    address = socket.inet_aton(VIP)
    frame = b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + address + b"\x00" * 6 + address
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((link, 0))
        raw.send(frame)


link, renewed, has = "host0", 0.0, False
while True:
    try:
        if holds():
            renewed = time.monotonic()
            if not has:
                subprocess.run(["ip", "address", "replace", f"{VIP}/32", "dev", link], check=True)
                announce(link)
                has = True
        else:
            renewed = 0.0
    except (OSError, ValueError, KeyError):
        pass
    if has and time.monotonic() - renewed > float(os.environ["vip_renewdeadline"]):
        subprocess.run(["ip", "address", "del", f"{VIP}/32", "dev", link], check=False)
        has = False
    time.sleep(float(os.environ["vip_retryperiod"]))
