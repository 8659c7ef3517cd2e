"""Leader election by a Lease, with the times of K3s's own controllers."""

import datetime as dt
import time

from config import fatal
from kube import Api, ApiError, local_api

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
SECONDS_HELD = 45
SECONDS_TO_RENEW = 60  # as seen: so long after its etcd went, a holder ended


class Leader:
    """One candidate for the Lease *name*."""

    def __init__(self, name: str, node: str) -> None:
        self.name, self.me = name, f"{node}_{time.time_ns()}"
        self.renewed = 0.0

    def renew(self, api: Api) -> bool:
        """Whether this server holds the Lease. A holder that cannot renew it in time ends, and K3s with it."""
        try:
            held = self._holds(api)
        except (OSError, ApiError):
            if self.renewed and time.monotonic() - self.renewed > SECONDS_TO_RENEW:
                fatal(f"leaderelection lost for {self.name}")
            raise
        self.renewed = time.monotonic() if held else 0.0
        return held

    def release(self) -> None:
        """Let another have it at once."""
        if self.renewed:
            try:
                local_api().patch(f"{LEASES}/{self.name}", {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})
            except (OSError, ApiError):
                return

    def _holds(self, api: Api) -> bool:
        now = dt.datetime.now(dt.UTC)
        spec = {"holderIdentity": self.me, "leaseDurationSeconds": SECONDS_HELD, "renewTime": f"{now:%FT%T.%fZ}"}
        lease = api.get(f"{LEASES}/{self.name}")
        if lease is None:
            api.call("POST", LEASES, {"metadata": {"name": self.name}, "spec": spec})
            return True
        held = lease["spec"]
        age = (now - dt.datetime.fromisoformat(held["renewTime"])).total_seconds()
        if held["holderIdentity"] not in ("", self.me) and age < held["leaseDurationSeconds"]:
            return False
        try:
            api.call("PUT", f"{LEASES}/{self.name}", {**lease, "spec": {**held, **spec}})
        except ApiError as error:
            if error.code == 409:
                return False
            raise
        return True
