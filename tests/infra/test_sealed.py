"""A secret that Terraform can undo when a resource is destroyed, and never prints; by Terraform itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ib_constructs.cluster.sealed import ALPHABET, seal, unseal

TEXTS = ["x", "a line\n", "ärger, 鍵 und \t tabs\n" * 40, "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXk" * 30 + "\n"]


def terraform(folder: Path, *command: str) -> str:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(["terraform", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stack(folder: Path, secret: str, key: str) -> Path:
    """A resource that writes the secret to a file when it is destroyed."""
    step = {
        "when": "destroy",
        "command": 'printf %s "$TOLD" > told',
        "environment": {"TOLD": unseal("self.input", "self.triggers_replace")},
    }
    resource = {"input": seal("var.secret", "var.key"), "triggers_replace": "${var.key}", "provisioner": [{"local-exec": step}]}
    variables = {name: {"type": "string", "sensitive": True} for name in ("secret", "key")}
    (folder / "main.tf.json").write_text(json.dumps({"variable": variables, "resource": {"terraform_data": {"sealed": resource}}}))
    (folder / "terraform.tfvars.json").write_text(json.dumps({"secret": secret, "key": key}))
    return folder


@pytest.mark.parametrize("secret", TEXTS)
def test_the_end_of_a_resource_knows_the_secret_and_its_plan_does_not_show_it(tmp_path: Path, secret: str) -> None:
    folder = stack(tmp_path, secret, "a key of the cluster")
    terraform(folder, "init")
    terraform(folder, "apply", "-auto-approve")
    shown = terraform(folder, "destroy", "-auto-approve", "-no-color")
    assert (folder / "told").read_text() == secret
    assert "will be destroyed" in shown
    assert len(secret) < 20 or secret.splitlines()[0] not in shown


def test_another_secret_changes_the_resource_in_place(tmp_path: Path) -> None:
    folder = stack(tmp_path, "old key", "a key of the cluster")
    terraform(folder, "init")
    terraform(folder, "apply", "-auto-approve")
    stack(folder, "new key", "a key of the cluster")
    assert "0 added, 1 changed, 0 destroyed" in terraform(folder, "apply", "-auto-approve", "-no-color")
    terraform(folder, "destroy", "-auto-approve")
    assert (folder / "told").read_text() == "new key"


def test_the_same_secret_is_sealed_the_same_way_so_that_a_second_plan_is_empty(tmp_path: Path) -> None:
    folder = stack(tmp_path, "a secret", "a key of the cluster")
    terraform(folder, "init")
    terraform(folder, "apply", "-auto-approve")
    assert "No changes" in terraform(folder, "plan", "-no-color")


def sealed_text(folder: Path, secret: str, key: str) -> str:
    stack(folder, secret, key)
    terraform(folder, "apply", "-auto-approve")
    state = json.loads((folder / "terraform.tfstate").read_text())
    text: str = state["resources"][0]["instances"][0]["attributes"]["input"]["value"]["text"]
    return text


def test_secrets_that_begin_alike_and_keys_that_differ_show_nothing_alike(tmp_path: Path) -> None:
    terraform(stack(tmp_path, "", ""), "init")
    header = TEXTS[-1]
    texts = [sealed_text(tmp_path, header + end, key) for end, key in (("1", "k"), ("2", "k"), ("1", "l"))]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        alike = sum(a == b for a, b in zip(texts[one], texts[other], strict=True)) / len(texts[one])
        assert alike < 3 / len(ALPHABET), "no more than by chance"
