"""What stops a deployment before it changes a server, each within a minute and with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.hosts.deployment import Deployment, server
from tests.hosts.keys import SshKey
from tests.hosts.lab import Host, Lab

PLACES = "/etc/rancher /var/lib/rancher/k3s/server /usr/local/bin/k3s /etc/systemd/system/k3s.service /run/inference-platform/*"
PRISTINE = f"ls -d {PLACES} 2>/dev/null; true"


def test_a_wrong_host_key_is_refused_with_the_line_to_write(deployment: Deployment, s1: Host) -> None:
    other = SshKey.make(ec.EllipticCurvePrivateKey).public
    deployment.describe([server(s1, ssh_host_key=other)])

    failed = deployment.apply()

    assert failed.code == 1
    assert "s1: the host key at 192.168.1.11:22 is not the one in the location file" in failed.output
    assert f'ssh_host_key = "{s1.host_key}"' in failed.output
    assert s1.run(PRISTINE) == ""


def test_terraform_itself_verifies_the_host_key_where_ssh_keyscan_is_missing(
    deployment: Deployment, lab: Lab, s1: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", _path_without_keyscan(lab, deployment.folder))
    deployment.describe([server(s1, ssh_host_key=SshKey.make(ec.EllipticCurvePrivateKey).public)])

    failed = deployment.apply()

    assert failed.code == 1
    assert "ssh-keyscan is not installed here" in failed.output
    assert "key mismatch" in failed.output
    assert s1.run(PRISTINE) == ""


def test_an_unreachable_server_is_named_with_what_to_check(deployment: Deployment, s1: Host) -> None:
    other = SshKey.make(ec.EllipticCurvePrivateKey).public
    deployment.describe([server(s1), {**server(s1, role="agent"), "name": "s2", "ip": "192.168.1.77", "ssh_host_key": other}])

    failed = deployment.apply()

    assert failed.code == 1
    assert "s2: no SSH server answers at 192.168.1.77:22 within 10 s" in failed.output
    assert "ip, ssh_host and ssh_port in the location file" in failed.output
    assert s1.run(PRISTINE) == "", "no server is changed before all passed the preflight"


@pytest.mark.parametrize("minutes", [10, -10, -1])
def test_a_clock_that_is_off_is_refused_with_the_command_to_set_it(deployment: Deployment, s1: Host, minutes: int) -> None:
    s1.run(
        "cat > /usr/local/bin/date && chmod +x /usr/local/bin/date",
        stdin=f'#!/bin/sh\n[ "$*" = +%s ] && exec /usr/bin/date -d "{minutes} minutes" +%s\nexec /usr/bin/date "$@"\n',
    )
    deployment.describe([server(s1)])

    failed = deployment.apply()

    assert failed.code == 1
    assert "s1: preflight: the clock is" in failed.output
    assert "chronyc makestep" in failed.output
    assert s1.run(PRISTINE) == ""


def test_a_failed_check_of_a_protected_location_can_be_mended_and_deployed_again(deployment: Deployment, s1: Host) -> None:
    clock = "/usr/local/bin/date"
    s1.run(
        f"cat > {clock} && chmod +x {clock}",
        stdin='#!/bin/sh\n[ "$*" = +%s ] && exec /usr/bin/date -d "1 hour" +%s\nexec /usr/bin/date "$@"\n',
    )
    deployment.describe([server(s1)], protect=True)
    assert "preflight: the clock is" in deployment.apply().output
    s1.run(f"rm {clock}")

    planned = deployment.plan()

    assert planned.code == 2, planned.output
    assert "terraform_data.k3s_checks" in planned.output


def test_data_of_another_k3s_is_refused_and_left_alone(deployment: Deployment, s1: Host) -> None:
    s1.run("mkdir -p /var/lib/rancher/k3s/agent && echo precious > /var/lib/rancher/k3s/agent/volume")
    deployment.describe([server(s1)])

    failed = deployment.apply()

    assert failed.code == 1
    assert "s1: preflight: /var/lib/rancher/k3s holds the data of another K3s" in failed.output
    assert "k3s-uninstall.sh" in failed.output
    assert s1.run("cat /var/lib/rancher/k3s/agent/volume") == "precious\n"
    assert s1.run(PRISTINE) == ""
    assert deployment.files_with_secrets(s1) == set()


def test_all_problems_of_the_preflight_are_reported_together(deployment: Deployment, s1: Host) -> None:
    s1.run("mkdir -p /var/lib/rancher/k3s/agent && touch /var/lib/rancher/k3s/agent/volume && mv /usr/bin/curl /root/")
    deployment.describe([server(s1)])

    failed = deployment.apply()

    assert "s1: preflight: curl is missing. Install it: apt-get install -y curl" in failed.output
    assert "holds the data of another K3s" in failed.output
    assert "s1: preflight found 2 problem(s); nothing was changed on this server" in failed.output


def test_a_binary_with_another_checksum_is_not_installed(deployment: Deployment, s1: Host) -> None:
    deployment.k3s_sha256[deployment.version] = "0" * 64
    deployment.describe([server(s1)])

    failed = deployment.apply()

    assert failed.code == 1
    assert f"expected {'0' * 64}" in failed.output
    assert s1.run("ls /usr/local/bin/") == ""
    assert s1.run("systemctl cat k3s 2>/dev/null; true") == ""


def test_the_secrets_of_another_location_are_refused(deployment: Deployment, lab: Lab, s1: Host) -> None:
    deployment.describe([server(s1)])
    variables = deployment.folder / "secret.tfvars.json"
    variables.write_text(variables.read_text().replace('"location": "test"', '"location": "local"'))

    failed = deployment.apply()

    assert failed.code == 1
    assert "The variables belong to location local, but this is test" in " ".join(failed.output.replace("│", "").split())
    assert s1.run(PRISTINE) == ""


def _path_without_keyscan(lab: Lab, folder: Path) -> str:
    """A folder with the tools that the run needs, and no ssh-keyscan."""
    tools = folder / "bin"
    tools.mkdir()
    for tool in ("terraform", "ip", "sh", "ssh"):
        (tools / tool).symlink_to(lab.run("sh", "-c", f"command -v {tool}").stdout.strip())
    return str(tools)


def test_a_server_without_an_ecdsa_host_key_is_told_how_to_make_one(deployment: Deployment, s1: Host) -> None:
    s1.run("echo HostKey /etc/ssh/ssh_host_ed25519_key > /etc/ssh/sshd_config.d/keys.conf && systemctl restart ssh")
    deployment.describe([server(s1)])

    failed = deployment.apply()

    assert failed.code == 1
    assert "s1: the sshd at 192.168.1.11:22 has no ECDSA host key" in failed.output
    assert "ssh-keygen -A" in failed.output


def test_addresses_that_other_machines_have_are_named(deployment: Deployment, boot: Callable[[str, str], Host]) -> None:
    s1, other = boot("s1", "192.168.1.11"), boot("other", "192.168.1.99")
    other.run("ip address add 192.168.1.252/32 dev host0; ip address add 192.168.1.240/32 dev host0")
    deployment.describe([server(s1)], vip="192.168.1.252")

    failed = deployment.apply()

    assert failed.code == 1
    for address in ("192.168.1.252", "192.168.1.240"):
        assert f"s1: preflight: {address} is in use" in failed.output
    assert s1.run(PRISTINE) == ""


def test_everything_that_a_machine_lacks_is_reported_with_its_remedy(deployment: Deployment, s1: Host) -> None:
    stubs = {
        "nproc": "echo 1",
        "df": "echo; echo x x x 1000 x x",
        "findmnt": "echo rw,noexec",
        "uname": '[ "$1" = -m ] && echo aarch64 || echo other',
        "ss": "echo 'LISTEN 0 1 users:((\"apache2\",pid=1,fd=1))'",
        "dd": "/usr/bin/sleep 11",
        "ip": 'case "$*" in *"route get"*) echo "x via 192.168.1.1" ;; esac',
    }
    for name, text in stubs.items():
        s1.run(f"cat > /usr/local/bin/{name} && chmod +x /usr/local/bin/{name}", stdin=f"#!/bin/sh\n{text}\n")
    s1.run("rm /usr/local/sbin/modprobe; sed -i s/trixie/forky/ /etc/os-release; sed -i 's/^VERSION_ID.*/VERSION_ID=14/' /etc/os-release")
    s1.run("mkdir -p /root/pci/0 && cd /root/pci/0 && echo 0x10de > vendor && echo 0x1e04 > device && echo 0x030000 > class")
    s1.run("mount --bind /root/pci /sys/bus/pci/devices")
    deployment.describe([server(s1)], vip="192.168.1.252")

    failed = deployment.apply()

    for reason, remedy in {
        "the processor is aarch64": "The pinned K3s binary is for x86_64",
        "the system is debian 14": "Install Debian 13.",
        "1 cores (K3s needs 2 in role server)": "Use a larger machine",
        "1000 MiB free below /var/lib": "Make room",
        "a synchronous write takes 1": "Put /var/lib on an SSD of its own",
        "programs may not be run from /tmp": "mount -o remount,exec /tmp",
        "the machine calls itself other": "hostnamectl set-hostname s1",
        "port 6443 is taken by apache2": "Stop that program",
        "192.168.1.11 is not an address of this machine": "Correct ip of s1 in the location file",
        "192.168.1.252 is not on this server's own wire": "Choose an address of the servers' subnet.",
        "there is a GPU of NVIDIA (current), and its driver is not loaded": "Install driver 580 or newer",
    }.items():
        assert any(reason in line and remedy in line for line in failed.output.splitlines()), reason
    assert "nothing was changed on this server" in failed.output
    assert s1.run(PRISTINE) == ""


def test_debian_12_is_warned_about_and_taken(deployment: Deployment, s1: Host) -> None:
    s1.run("sed -i 's/^VERSION_ID.*/VERSION_ID=12/' /etc/os-release")
    deployment.k3s_sha256[deployment.version] = "0" * 64
    deployment.describe([server(s1)])

    stopped = deployment.apply()

    assert "s1: preflight: warning: the system is debian 12. Install Debian 13." in stopped.output
    assert "s1: preflight passed" in stopped.output
