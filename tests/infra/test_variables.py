"""What only a person has, as Terraform itself checks it: a value that cannot be the secret is refused before anything is done."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stacks.config.schema import Registry
from stacks.variables import declare_variables
from tests.infra.synthesis import only, synthesise
from tests.infra.test_location import document
from tests.support.locations import locations

FORMATS = (PrivateFormat.OpenSSH, PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
EMAIL = "ana@example.com"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The variables of stalpeni, by themselves."""
    found = tmp_path_factory.mktemp("variables")
    stalpeni = document("stalpeni")
    told = {"variable": stalpeni["variable"], "resource": {"terraform_data": {"variables": only(stalpeni, "terraform_data", "variables")}}}
    (found / "main.tf.json").write_text(json.dumps(told))
    subprocess.run(["terraform", f"-chdir={found}", "init", "-input=false"], check=True, capture_output=True)
    return found


GOOD = {
    "location": "stalpeni",
    "ssh_private_key": "",
    "cloudflare_api_token": "Abc_def-123",
    "s3_access_key": "GK31c2f218a2e44f485b94239e",
    "s3_secret_key": "b892c0665f0ada8a4755dae98baa3b133590e11dae3bcc1f9d769d67f16c3835/+=",
    "slack_webhook_url": "https://hooks.slack.com/services/T0/B0/x",
    "heartbeat_url": "https://hc-ping.com/1",
    "hugging_face_token": "hf_abc",
}


def refused(folder: Path, **values: object) -> list[str]:
    """What Terraform says of each variable that it refuses."""
    told = {**GOOD, "ssh_private_key": private_key(), "operator_password_hashes": {EMAIL: hash_of(12)}} | values
    (folder / "terraform.tfvars.json").write_text(json.dumps(told))
    plan = ["terraform", f"-chdir={folder}", "plan", "-input=false", "-no-color"]
    done = subprocess.run(plan, check=False, capture_output=True, text=True)
    reasons = " ".join(done.stderr.replace("│", " ").split()).split("Resource precondition failed")[1:]
    assert (done.returncode == 0) == (not reasons), done.stderr
    return reasons


def private_key(form: PrivateFormat = PrivateFormat.OpenSSH) -> str:
    key = ed25519.Ed25519PrivateKey.generate() if form != PrivateFormat.TraditionalOpenSSL else ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def locked_key(folder: Path, form: str) -> str:
    """A key with a passphrase, as OpenSSH's own program writes it."""
    path = folder / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-m", form, "-N", "secret", "-f", path], check=True)
    return path.read_text()


def hash_of(cost: int) -> str:
    return f"$2y${cost:02}$" + "a" * 53


@pytest.mark.parametrize("form", FORMATS)
def test_keys_without_a_passphrase_are_taken_in_every_format(folder: Path, form: PrivateFormat) -> None:
    assert refused(folder, ssh_private_key=private_key(form)) == []


def test_so_is_an_rsa_key(folder: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    for form in FORMATS:
        assert refused(folder, ssh_private_key=key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()) == []


@pytest.mark.parametrize("form", ["RFC4716", "PKCS8", "PEM"])
def test_a_key_with_a_passphrase_is_named_with_the_way_to_one_without(folder: Path, tmp_path: Path, form: str) -> None:
    (reason,) = refused(folder, ssh_private_key=locked_key(tmp_path, form))
    assert "ssh_private_key has a passphrase" in reason
    assert "ssh-keygen -t ed25519 -N ''" in reason


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "~/.ssh/id_ed25519",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIYL8Dv/Bhs1CTci/5WLIBFBCfOP9tO/gu2wG7AsviKt",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n...\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU",
    ],
)
def test_what_is_no_private_key_is_named(folder: Path, value: str) -> None:
    (reason,) = refused(folder, ssh_private_key=value)
    assert "ssh_private_key is no private key" in reason


@pytest.mark.parametrize("value", ["", " ", "abc\n", "abc\naws_access_key_id = x", "a b", "ä"])
def test_no_key_is_empty_or_goes_over_lines(folder: Path, value: str) -> None:
    names = ("cloudflare_api_token", "s3_access_key", "s3_secret_key", "hugging_face_token")
    reasons = str(refused(folder, **dict.fromkeys(names, value)))
    assert [name for name in names if f"{name} is empty, or holds a blank or a line break" not in reasons] == []


@pytest.mark.parametrize("value", ["", "hooks.slack.com/services/x", "http://example.com", "https://a b"])
def test_a_url_is_one(folder: Path, value: str) -> None:
    reasons = str(refused(folder, slack_webhook_url=value, heartbeat_url=value))
    assert "slack_webhook_url is no URL" in reasons
    assert "heartbeat_url is no URL" in reasons


@pytest.mark.parametrize("cost", [4, 9, 17, 31])
def test_a_cost_that_dex_refuses_is_refused(folder: Path, cost: int) -> None:
    (reason,) = refused(folder, operator_password_hashes={EMAIL: hash_of(cost)})
    assert "a bcrypt hash, of a cost from 10 to 16, for each of ana@example.com" in reason
    assert refused(folder, operator_password_hashes={EMAIL: hash_of(10)}) == []


def test_all_that_is_wrong_is_told_at_once_and_no_value_of_it(folder: Path) -> None:
    found = refused(folder, ssh_private_key="sesame", cloudflare_api_token="", slack_webhook_url="sesame")
    assert len(found) == 3
    assert "sesame" not in str(found)


def test_what_is_missing_is_told_by_name(folder: Path) -> None:
    (folder / "terraform.tfvars.json").write_text(json.dumps({"location": "stalpeni"}))
    plan = ["terraform", f"-chdir={folder}", "plan", "-input=false", "-no-color"]
    said = subprocess.run(plan, check=False, capture_output=True, text=True).stderr
    for name in ("ssh_private_key", "cloudflare_api_token", "s3_access_key", "s3_secret_key", "slack_webhook_url"):
        assert f"{name} is missing: the " in said


@pytest.mark.parametrize(
    ("passwords", "fine"),
    [
        ({"harbor.lan:5000": 'p"$a\\s{s'}, True),
        (None, False),
        ({}, False),
        ({"harbor.lan:5000": ""}, False),
        ({"harbor.lan:5000": "a\nb"}, False),
    ],
    ids=["there", "no variable", "of another", "empty", "two lines"],
)
def test_each_registry_with_a_login_has_a_password(tmp_path: Path, passwords: dict[str, str] | None, *, fine: bool) -> None:
    registries = [Registry(host="harbor.lan:5000", username="robot"), Registry.model_construct(host="plain.lan", username=None)]
    location = locations()["local"].model_copy(update={"registries": registries})
    told = synthesise(lambda stack: declare_variables(stack, location))
    (tmp_path / "main.tf.json").write_text(json.dumps(told))
    subprocess.run(["terraform", f"-chdir={tmp_path}", "init", "-input=false"], check=True, capture_output=True)
    reasons = refused(tmp_path, location=None, registry_passwords=passwords)
    assert [("registry_passwords needs a password" in reason, "harbor.lan:5000. Write" in reason) for reason in reasons] == (
        [] if fine else [(True, True)]
    )
