"""A deployment that is killed in the middle, again and again."""

from __future__ import annotations

from tests.hosts.deployment import Deployment, server
from tests.hosts.lab import Host
from tests.hosts.test_one_server import KEEPS_SECRETS
from tests.support.waiting import until

STAGE = "/run/inference-platform/install-s1"
# The program at which each of five runs hangs, and the argument it hangs at.
POINTS = {
    "before anything is changed": ("dd", "*/.preflight-latency*"),
    "while packages are installed": ("apt-get", "*install*"),
    "while K3s is downloaded": ("curl", "*/k3s"),
    "while K3s starts": ("systemctl", "*restart*k3s"),
    "while it is waited for": ("curl", "*/ping"),
}
HANGS = """#!/bin/sh
case "$*" in
  {pattern}) exec sleep 300 ;;
esac
exec $(PATH=/usr/bin:/usr/sbin command -v {program}) "$@"
"""


def kill_at(deployment: Deployment, host: Host, program: str, pattern: str) -> None:
    """Start a deployment and kill it where it calls *program* with *pattern*."""
    host.run(f"cat > /usr/local/bin/{program} && chmod +x /usr/local/bin/{program}", stdin=HANGS.format(program=program, pattern=pattern))
    with (deployment.folder / "log").open("wb") as log:
        run = deployment.start_apply(log)
        until(lambda: host.run("pgrep -f '^sleep 300'; true") != "", f"{program} hangs", 60)
        run.kill()
        run.wait()
    host.run(f"rm /usr/local/bin/{program}")


def test_a_deployment_killed_at_five_points_is_finished_by_the_next(deployment: Deployment, s1: Host) -> None:
    deployment.describe([server(s1)])
    for program, pattern in POINTS.values():
        kill_at(deployment, s1, program, pattern)
        # The lost connection ends the script, and the script clears what was uploaded.
        until(lambda: s1.run("ls -d /run/inference-platform/*/identity 2>/dev/null; true") == "", "the upload is cleared", 20)
        assert {path for path in deployment.files_with_secrets(s1) if not path.startswith(KEEPS_SECRETS)} == set()
        s1.run("pkill -f '^sleep 300'; true")

    # Had the run been killed before the script began, the timer would have cleared it.
    assert "20min" in s1.run("systemctl show -p TimersMonotonic inference-platform-clear-install-s1.timer")
    s1.run(f"mkdir -p {STAGE} && systemctl start inference-platform-clear-install-s1.service")
    assert s1.run(f"ls -d {STAGE} 2>/dev/null; true") == ""

    applied = deployment.apply()
    assert applied.code == 0, applied.output
    assert s1.run("journalctl -u k3s -o cat | grep -c 'Starting etcd for new cluster, cluster-reset=false'") == "1\n"
    assert s1.run("k3s kubectl get nodes -o name") == "node/s1\n"
