"""Where several things failed, all of them are told, each once."""

from __future__ import annotations

import pytest

from control_app.core.failures import raise_all, words_of


def test_where_nothing_failed_nothing_is_raised() -> None:
    raise_all("rates", [])


def test_the_only_failure_is_raised_as_it_is() -> None:
    failure = ValueError("no file")
    with pytest.raises(ValueError, match="no file") as raised:
        raise_all("rates", [failure])
    assert raised.value is failure


def test_several_are_raised_together_and_told_whole_each_once() -> None:
    failures = [ValueError("no file"), ConnectionError("no route"), ValueError("no file"), ExceptionGroup("more", [KeyError("BNR")])]
    with pytest.raises(ExceptionGroup) as raised:
        raise_all("rates", failures)
    assert words_of(raised.value) == "ValueError: no file; ConnectionError: no route; KeyError: 'BNR'"
