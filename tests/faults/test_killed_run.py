"""The process that bills is killed -9 again and again, somewhere in its calls: each customer gets one invoice and one e-mail."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

from tests.control.invoicing.test_period_rules import big
from tests.control.support.killed_run import CUSTOMERS, company
from tests.control.support.killing import ran_to_its_end
from tests.control.support.world import SECOND_OF_NOVEMBER

KILLS = 12


def bill(folder: Path, minutes: int, calls: int | None) -> bool:
    """One life, killed after so many *calls* and answers; whether it came to its end."""
    return ran_to_its_end("tests.control.support.killed_run", str(folder), str(minutes), lines=calls)


def test_a_run_that_is_killed_again_and_again_bills_each_customer_once(tmp_path: Path) -> None:
    found = company(tmp_path, SECOND_OF_NOVEMBER)
    found.use(*(big(key=f"k-{name}", prompt=1_000_000 + 10_000 * number) for number, name in enumerate(CUSTOMERS)))
    dice = random.Random(12)  # noqa: S311 (the same points each time)
    # Past what is asked before anybody is billed, and somewhere in the calls for two or three customers.
    killed = sum(not bill(tmp_path, 6 * life, calls=60 + dice.randrange(70)) for life in range(KILLS))
    assert killed >= 3
    for life in range(KILLS, KILLS + 4):
        assert bill(tmp_path, 6 * life, calls=None)
    refs = [move["ref"] for move in found.moves()]
    assert sorted(refs) == [f"stalpeni/{name}/2026-10-1" for name in CUSTOMERS]
    assert len(found.odoo.mails_sent()) == len(CUSTOMERS)
    assert found.untaxed() == sum(Decimal(1_000_000 + 10_000 * number) / 1_000_000 for number in range(len(CUSTOMERS)))
    assert {entry.state for entry in found.entries()} == {"sent"}
