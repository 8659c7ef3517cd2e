"""A deployment that is killed in the middle."""

from __future__ import annotations

from tests.hosts.deployment import Deployment, server
from tests.hosts.lab import Host
from tests.hosts.test_one_server import KEEPS_SECRETS
from tests.waiting import until

STAGE = "/run/inference-platform/install"
SLOW_DOWNLOAD = """#!/bin/sh
case "$*" in
  */k3s) exec sleep 300 ;;
esac
exec /usr/bin/curl "$@"
"""


def test_the_secrets_of_a_killed_run_are_cleared_and_the_next_run_finishes(deployment: Deployment, s1: Host) -> None:
    s1.run("cat > /usr/local/bin/curl && chmod +x /usr/local/bin/curl", stdin=SLOW_DOWNLOAD)
    deployment.describe([server(s1)])
    with (deployment.folder / "log").open("wb") as log:
        run = deployment.start_apply(log)
        until(lambda: s1.run("pgrep -x sleep; true") != "", "the download hangs", 60)
        run.kill()
        run.wait()

    # The lost connection ends the script, and the script clears what was uploaded.
    until(lambda: s1.run(f"ls -d {STAGE} 2>/dev/null; true") == "", "the upload is cleared", 20)
    assert {path for path in deployment.files_with_secrets(s1) if not path.startswith(KEEPS_SECRETS)} == set()

    # Had the run been killed before the script began, the timer would.
    assert "20min" in s1.run("systemctl show -p TimersMonotonic inference-platform-clear-install.timer")
    s1.run(f"mkdir {STAGE} && systemctl start inference-platform-clear-install.service")
    assert s1.run(f"ls -d {STAGE} 2>/dev/null; true") == ""

    s1.run("rm /usr/local/bin/curl; pkill -x sleep; true")
    applied = deployment.apply()
    assert applied.code == 0, applied.output
    assert s1.run("systemctl is-active k3s") == "active\n"
