"""An answer that is not what a method answers is never taken for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from control_app.accounting.odoo.shapes import anything, member, new_id, rows, text, truth

RIGHT: list[tuple[Callable[[Any], object], Any, object]] = [
    (anything, None, None),
    (rows("name"), [{"id": 1, "name": False}], [{"id": 1, "name": False}]),
    (rows(), [], []),
    (new_id, [7], 7),
    (truth, False, False),
    (text, "key", "key"),
    (member("uid", int), {"uid": 2, "lang": "en_US"}, 2),
]
WRONG: list[tuple[Callable[[Any], object], Any]] = [
    (rows("name"), None),
    (rows("name"), {}),
    (rows("name"), [1]),
    (rows("name"), [{"id": 1}]),
    (rows("name"), [{"name": "x"}]),
    (new_id, 7),
    (new_id, []),
    (new_id, [7, 8]),
    (new_id, ["7"]),
    (new_id, [True]),
    (new_id, None),
    (truth, None),
    (truth, 1),
    (truth, "true"),
    (text, None),
    (text, ""),
    (text, 1),
    (text, False),
    (member("uid", int), None),
    (member("uid", int), {}),
    (member("uid", int), {"uid": "2"}),
    (member("uid", int), [2]),
]


@pytest.mark.parametrize(("shape", "answer", "meant"), RIGHT)
def test_what_was_meant_is_taken(shape: Callable[[Any], object], answer: Any, meant: object) -> None:
    assert shape(answer) == meant


@pytest.mark.parametrize(("shape", "answer"), WRONG)
def test_anything_else_is_refused(shape: Callable[[Any], object], answer: Any) -> None:
    with pytest.raises(ValueError, match=r"^(no|neither|a) "):
        shape(answer)
