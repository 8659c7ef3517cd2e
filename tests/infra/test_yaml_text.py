"""Strings stay strings in YAML for programs in Go, and what was plain stays plain."""

from __future__ import annotations

import pytest
import yaml

from ib_constructs.base.yaml_text import as_yaml
from ib_constructs.cluster.k3s_config import files
from tests.infra.test_k3s import ALONE

# As gopkg.in/yaml.v2 2.4.0 and v3 3.0.1 were seen to read them.
NO_STRINGS = (
    *("1e5", "12e03", "1e-5", ".5e3", "1.36", "08", "123", "0o17", "0o-5", "0_x6", "0x1f", "0b11", "-0b1", "+_1", "1_000", "190:20:30"),
    *("2026-1-1", "2026-01-01", "2001-1-1t1:1:1z", "y", "Y", "n", "N", "yes", "off", "true", "null", "~", ".inf"),
)
STRINGS = ("s1", "1e", "0o8", "0x", "1-1", "0-0", "12e", "e1", "nan", "nil", "192.168.1.11", "10.42.0.0/16", "yy", "_1")


@pytest.mark.parametrize("text", NO_STRINGS)
def test_what_a_go_parser_takes_for_something_else_is_quoted(text: str) -> None:
    assert as_yaml({"k": text}) == f"k: '{text}'\n"


@pytest.mark.parametrize("text", STRINGS)
def test_what_every_parser_takes_for_a_string_stays_plain(text: str) -> None:
    assert as_yaml({"k": text}) == f"k: {text}\n"


def test_numbers_and_booleans_stay_what_they_are() -> None:
    assert as_yaml({"a": 1, "b": True, "c": 1.5, "d": None}) == "a: 1\nb: true\nc: 1.5\nd: null\n"


@pytest.mark.parametrize("name", ["1e5", "0o17", "y", "null"])
def test_a_server_may_have_any_name_that_its_machine_may_have(name: str) -> None:
    config = files(name, "192.168.1.11", "server", "label", ALONE)["etc/config.yaml"]
    assert f"node-name: '{name}'\n" in config
    assert yaml.safe_load(config)["node-name"] == name
