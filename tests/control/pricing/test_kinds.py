"""One table of price kinds: who tells of prices follows from it, and what cannot follow is held against it here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from control_app.ledger.usage import Usage
from control_app.pricing.kinds import KINDS, REQUIRED, PriceKind
from control_app.pricing.rates import Rates
from tests.control.support.kinds import NOT_RATES, columns, left_behind, views

ROOT = Path(__file__).parents[3]
# Where a kind may stand by its name: the table, what a test holds to it, a warning of one kind, an answer of the gateway's.
NAMED = {
    *("pricing/kinds.py", "pricing/rates.py", "pricing/tables.py", "pricing/offers.py"),
    *("gateway/price_fields.py", "gateway/bifrost/answers.py"),
}
END_OF_THE_TABLE = "    )\n}\n"
ANOTHER = """PriceKind(name="session", measure="requests", unit=REQUEST, heading="Session", line_word="Sessions",
  invoice_text="sessions", openrouter_type="session", side="whole"),
"""


def test_rates_are_the_tables_kinds_in_its_order() -> None:
    assert Rates._fields == tuple(KINDS)


def test_the_price_book_has_a_column_for_each_kind_in_the_tables_order() -> None:
    assert [name for name in columns("price_versions") if name not in NOT_RATES] == list(KINDS)


def test_nothing_lacks_a_kind_of_the_table() -> None:
    assert left_behind() == {}


def test_each_kind_bills_a_sum_of_its_own() -> None:
    measures = [kind.measure for kind in KINDS.values()]
    assert len(set(measures)) == len(measures), "usage would be billed twice"
    assert set(measures) <= set(Usage.__struct_fields__)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_fallback_is_a_kind_that_every_annotation_has(kind: PriceKind) -> None:
    assert kind.fallback is None or kind.fallback in REQUIRED
    assert not (kind.fallback and kind.is_required)


@pytest.mark.parametrize("words", ["heading", "line_word", "invoice_text", "openrouter_type"])
def test_no_two_kinds_have_the_same_words(words: str) -> None:
    told = [getattr(kind, words) for kind in KINDS.values()]
    assert all(told)
    assert len(set(told)) == len(told)


def test_no_module_keeps_a_list_of_kinds_of_its_own() -> None:
    # By a kind whose name means nothing else.
    files = [path for path in (ROOT / "control_app").rglob("*.py") if "internal_reasoning" in path.read_text()]
    assert {path.relative_to(ROOT / "control_app").as_posix() for path in files} <= NAMED


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the service tells whose table has a kind more."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "control_app", copy / "control_app", ignore=shutil.ignore_patterns("__pycache__"))
    table = copy / "control_app" / "pricing" / "kinds.py"
    before, end, after = table.read_text().partition(END_OF_THE_TABLE)
    assert end
    table.write_text(before + ANOTHER + end + after)
    command = [sys.executable, "-m", "tests.control.support.kinds"]
    environment = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_new_kind_is_taken_published_rated_and_shown_by_the_table_alone(extended: dict[str, Any]) -> None:
    assert "pricing.session is '1000', more than 100" in extended["refused"]
    assert extended["published"] == [{"type": "session", "unit": "request", "cost_usd": "0.25"}]
    assert (extended["rated"], extended["shown"]) == (True, ["Session", "0.25", "—"])
    assert views()["shown"] == ["Request", "0.25", "—"], "here it is as it was"


def test_what_a_new_kind_needs_besides_is_named(extended: dict[str, Any]) -> None:
    assert extended["left behind"] == {
        "Rates": ["session"],
        "columns of price_versions": ["session"],
        "fields of the sheet": ["session"],
        "grants of the gateway's price table": ["session"],
    }
