"""Locations beside each other: what two of them cannot both have."""

from __future__ import annotations

from pathlib import Path

import pytest

from stacks.config.loader import LOCATIONS, LocationError, load_locations

STALPENI = (LOCATIONS / "stalpeni.toml").read_text()


def problems(folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    try:
        load_locations(folder)
    except LocationError as error:
        return error.problems
    return []


def test_the_same_file_under_two_names_is_refused_for_all_that_they_would_share(tmp_path: Path) -> None:
    found = problems(tmp_path, one=STALPENI, two=STALPENI)
    assert all(problem.startswith("one.toml and two.toml: ") for problem in found)
    kinds = [problem.removeprefix("one.toml and two.toml: ").split(" in each; ")[0].split(" ")[0] for problem in found]
    assert sorted(kinds) == ["backup.s3", "dns", "domain", "network.api_address", *["server"] * 8]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("203.0.113.10", "203.0.113.10", "one of them answers there"),
        ("inferencebros.com", "inferencebros.com", "domain stalpeni.inferencebros.com in each; give each its own"),
        ("https://s3.example.com", "https://s3.example.com", "whoever may delete in it may delete the other's backups"),
    ],
)
def test_what_is_shared_alone_is_named_with_its_remedy(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert any(said in problem for problem in problems(tmp_path, one=STALPENI, two=STALPENI.replace(old, new)))


def test_a_domain_below_another_locations_is_refused_for_its_login_cookie_would_reach_it(tmp_path: Path) -> None:
    pr = (LOCATIONS / "pr.toml").read_text().replace('domain = "pr.', 'domain = "pr.stalpeni.')
    (found,) = problems(tmp_path, stalpeni=STALPENI, pr=pr)
    assert found.startswith("pr.toml: domain: pr.stalpeni.inferencebros.com is below stalpeni's stalpeni.inferencebros.com")
    assert "choose one beside it" in found


def test_places_may_have_the_same_private_addresses(tmp_path: Path) -> None:
    found = problems(tmp_path, local=(LOCATIONS / "local.toml").read_text(), stalpeni=STALPENI)
    assert found == [], "192.168.1.240 is another machine at each"


def test_a_broken_file_does_not_hide_what_the_others_share(tmp_path: Path) -> None:
    found = problems(tmp_path, one=STALPENI, two=STALPENI, bad="domain = 1\n")
    assert any(problem.startswith("bad.toml: ") for problem in found)
    assert any(problem.startswith("one.toml and two.toml: domain") for problem in found)
