"""Location files: what is accepted, and what is refused in which words."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from babel.core import get_global
from babel.numbers import get_territory_currencies
from pydantic import BaseModel

import main
from stacks.config.currencies import CURRENCIES
from stacks.config.loader import LOCATIONS, PATTERNS, LocationError, load_location, load_locations, parse_location, sections_in
from stacks.config.schema import Location
from tests.infra.test_hostile_values import fields, value_at, with_value
from tests.support.locations import NAMES, locations

INVALID = Path(__file__).parent / "invalid"
RULES = sorted(path.stem for path in INVALID.glob("*.toml"))


@pytest.mark.parametrize("rule", RULES)
def test_each_broken_rule_is_named_with_the_value_the_other_side_and_the_remedy(rule: str) -> None:
    path = INVALID / f"{rule}.toml"
    expected = [line.removeprefix("# says: ") for line in path.read_text().splitlines() if line.startswith("# says: ")]

    with pytest.raises(LocationError) as refused:
        load_location(path)

    assert expected, "an invalid file begins with what its message says"
    assert any(all(part in problem for part in expected) for problem in refused.value.problems), refused.value.problems
    assert len(refused.value.problems) == 1, "one flaw, one problem"


def test_the_locations_of_the_repository_are_accepted(tmp_path: Path) -> None:
    for name in (*NAMES, *PATTERNS):
        shutil.copy(LOCATIONS / f"{name}.toml", tmp_path)
    assert load_locations(tmp_path) == locations(), "files to copy are no locations"


def test_no_test_reads_what_somebody_has_beside_the_repositorys_locations() -> None:
    tests = Path(__file__).parents[1]
    reading = [path for path in tests.rglob("*.py") if "load_locations" + "()" in path.read_text()]
    assert reading == [], "ask tests.support.locations"


def test_problems_of_fields_rules_and_other_files_come_together(tmp_path: Path) -> None:
    several = (INVALID / "unknown-key.toml").read_text() + "\n[storage]\nreplicas = 9\n[control]\ninvoice_from = '2026-1'\n"
    (tmp_path / "one.toml").write_text(several)
    (tmp_path / "two.toml").write_text((INVALID / "two-servers.toml").read_text())

    with pytest.raises(LocationError) as refused:
        load_locations(tmp_path)

    text = str(refused.value)
    assert text.startswith("4 problems in the location files:")
    for problem in ("one.toml: network.ingres_ip", "one.toml: control.invoice_from", "one.toml: storage.replicas", "two.toml: servers: 2"):
        assert problem in text


def test_a_misspelt_key_does_not_hide_what_else_is_wrong_with_its_section(tmp_path: Path) -> None:
    text = (INVALID / "unknown-key.toml").read_text().replace('ingress_ip          = "192.168.1.240"', 'ingress_ip = "192.168.1.9"')
    (tmp_path / "one.toml").write_text(text)
    with pytest.raises(LocationError) as refused:
        load_locations(tmp_path)
    assert len(refused.value.problems) == 2
    assert "network.ingress_ip: 192.168.1.9 is outside load_balancer_range" in refused.value.problems[1]


def test_problems_end_the_program_with_code_1_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.toml").write_text((INVALID / "no-server.toml").read_text())
    monkeypatch.setattr(main, "load_locations", lambda: load_locations(tmp_path))

    with pytest.raises(SystemExit) as ended:
        main.main()

    assert isinstance(ended.value.code, str), "Python prints a text to standard error and exits with 1"
    assert ended.value.code.startswith("1 problem in the location files:\n  one.toml: servers: none")


def test_a_folder_without_locations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text("")
    with pytest.raises(LocationError, match=r"copy minimal\.toml"):
        load_locations(tmp_path)


def test_a_location_needs_a_name_that_a_workspace_can_have(tmp_path: Path) -> None:
    (tmp_path / "Not_a_name.toml").write_text((LOCATIONS / "local.toml").read_text())
    with pytest.raises(LocationError, match="name: 'Not_a_name' is not a host name label"):
        load_locations(tmp_path)


def test_port_forwarded_ssh_is_normal() -> None:
    stalpeni = locations()["stalpeni"]
    endpoints = {server.name: server.ssh_endpoint for server in stalpeni.servers}
    assert endpoints == {
        "s1": ("203.0.113.10", 2201),
        "s2": ("203.0.113.10", 2202),
        "s3": ("203.0.113.10", 2203),
        "g1": ("203.0.113.10", 2211),
    }


def test_an_override_is_merged_key_by_key_and_replaces_the_servers(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text((LOCATIONS / "local.toml").read_text())
    server = tomllib.loads((LOCATIONS / "stalpeni.toml").read_text())["servers"][1]
    override = '[network]\napi_address = "198.51.100.7"\n[[servers]]\nname = "mine"\nip = "192.168.1.77"\n'
    (tmp_path / "local.override.toml").write_text(f'{override}ssh_host_key = "{server["ssh_host_key"]}"\n')

    locations = load_locations(tmp_path)

    assert list(locations) == ["local"], "an override is no location"
    assert str(locations["local"].network.api_address) == "198.51.100.7"
    assert str(locations["local"].network.ingress_ip) == "192.168.1.240"
    assert [server.name for server in locations["local"].servers] == ["mine"]


def test_a_problem_in_an_override_names_both_files(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text((LOCATIONS / "local.toml").read_text())
    (tmp_path / "local.override.toml").write_text('[network]\ningress_ip = "192.168.1.1"\n')
    with pytest.raises(LocationError, match=r"local\.toml with local\.override\.toml: network\.ingress_ip"):
        load_locations(tmp_path)


def test_addresses_that_are_not_given_follow_from_those_that_are() -> None:
    found = locations()
    assert str(found["local"].api_address) == "192.168.1.11", "the only server"
    assert str(found["stalpeni"].cluster_address) == "192.168.1.252", "the VIP"
    assert str(found["stalpeni"].api_address) == "203.0.113.10", "as given"
    assert str(found["pr"].subnet) == "192.168.2.0/24"


def test_the_example_is_valid_and_explains_every_key() -> None:
    text = (LOCATIONS / "example.toml").read_text()
    load_location(LOCATIONS / "example.toml")
    assert [key for key in _keys(Location) if key not in text.replace("# public_hostname", "public_hostname")] == []


def _keys(model: type[BaseModel]) -> list[str]:
    keys = [name for name in model.model_fields if name != "name" or model is not Location]
    inner = [section for field in model.model_fields.values() for section in sections_in(field.annotation)]
    return keys + [key for section in inner for key in _keys(section)]


def test_minimal_toml_is_ten_lines_in_which_only_the_servers_key_is_missing(tmp_path: Path) -> None:
    text = (LOCATIONS / "minimal.toml").read_text()
    assert len(text.splitlines()) <= 10
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(LocationError) as refused:
        load_locations(tmp_path)
    assert ["servers.s1.ssh_host_key" in problem for problem in refused.value.problems] == [True]
    key = locations()["local"].servers[0].ssh_host_key
    (tmp_path / "mine.toml").write_text(text.replace("ecdsa-sha2-nistp256 AAAA…", key))
    assert load_locations(tmp_path)["mine"].certificates.issuer == "local", "Let's Encrypt wants [dns]"


def test_a_host_key_may_be_followed_by_the_comment_of_its_file(tmp_path: Path) -> None:
    text = (LOCATIONS / "local.toml").read_text()
    key = locations()["local"].servers[0].ssh_host_key
    (tmp_path / "mine.toml").write_text(text.replace(key, f"{key} root@s1 ${{var.ssh_private_key}}"))
    assert load_locations(tmp_path)["mine"].servers[0].ssh_host_key == key


def test_a_file_that_an_editor_began_with_a_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text((LOCATIONS / "local.toml").read_text(), encoding="utf-8-sig")
    assert list(load_locations(tmp_path)) == ["mine"]


def test_the_currencies_are_those_that_are_legal_tender_somewhere() -> None:
    used = {code for territory in get_global("territory_currencies") for code in get_territory_currencies(territory, tender=True)}
    assert used - CURRENCIES == set(), "a country has a new one"


def changed(**network: str) -> str:
    """The file of `local` with other lines in [network]."""
    lines = "\n".join(f"{key} = {value}" for key, value in network.items())
    return (LOCATIONS / "local.toml").read_text().replace("[network]", f"[network]\n{lines}")


@pytest.mark.parametrize("network", ["10.0.0.0/16", "172.31.0.0/16", "192.168.64.0/18", "100.64.0.0/10"])
def test_the_clusters_networks_may_be_any_that_the_internet_does_not_use(tmp_path: Path, network: str) -> None:
    (tmp_path / "mine.toml").write_text(changed(cluster_cidr=f'"{network}"'))
    assert str(load_locations(tmp_path)["mine"].network.cluster_cidr) == network


def test_metallb_may_have_several_ranges_and_subnets_and_the_ingress_listens_in_any(tmp_path: Path) -> None:
    text = (
        (LOCATIONS / "local.toml")
        .read_text()
        .replace('"192.168.1.240-192.168.1.245"', '["192.168.1.32/28", "192.168.1.240 - 192.168.1.240"]')
    )
    (tmp_path / "mine.toml").write_text(text)
    span = load_locations(tmp_path)["mine"].network.load_balancer_range
    assert [str(part) for part in span.parts] == ["192.168.1.32-192.168.1.47", "192.168.1.240-192.168.1.240"]
    (tmp_path / "mine.toml").write_text(text.replace('"192.168.1.240"', '"192.168.1.48"'))
    with pytest.raises(
        LocationError, match=r"192\.168\.1\.48 is outside load_balancer_range 192\.168\.1\.32-192\.168\.1\.47, 192\.168\.1\.240"
    ):
        load_locations(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        r'[[servers]]\nname = "a\u001b[2Jb"\nip = "1"',
        r'"a\u001b[2Jb" = 1',
        r'[network]\n"a\u009b2Jb" = 1',
        r'domain = "a\u001b[2Jb"',
        r'[[operators]]\nemail = "a\u202eb"',
        r'protect = "a\u0007\u0000b"',
    ],
)
def test_what_a_terminal_would_obey_is_told_as_an_escape_sequence(tmp_path: Path, line: str) -> None:
    (tmp_path / "mine.toml").write_text(line.replace("\\n", "\n"))
    with pytest.raises(LocationError) as refused:
        load_locations(tmp_path)
    told = str(refused.value)
    assert [character for character in told if not character.isprintable() and character != "\n"] == []
    assert any(escaped in told for escaped in (r"\x1b[2J", r"\x9b2J", r"\u202e", r"\x07\x00"))
    assert "".join(refused.value.problems).isprintable()


@pytest.mark.parametrize("value", ["1E+999999", "1E-999999", "1" * 4000, "-1", "0", "NaN", "inf", "0." + "0" * 20 + "1"])
def test_every_number_is_bounded(value: str) -> None:
    accepted = []
    for path in fields():
        if isinstance(value_at(path), bool) or not isinstance(value_at(path), int | float):
            continue
        with pytest.raises(LocationError) as refused:
            parse_location(with_value(path, value), "x.toml")
        if not any(str(path[-1]) in problem for problem in refused.value.problems):
            accepted.append(path)
    assert accepted == []
