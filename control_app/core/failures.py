"""Several things of which one that fails stops no other: what failed is raised when all of them were tried, and told whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast


def raise_all(what: str, failures: Sequence[Exception]) -> None:
    """Raise the only failure of *what* as it is, and several together, as an ExceptionGroup; nothing where there is none."""
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup(what, failures)


def words_of(failure: BaseException) -> str:
    """What a failure says, behind its type; of a group what each in it says, once."""
    if isinstance(failure, BaseExceptionGroup):
        each: tuple[BaseException, ...] = cast("BaseExceptionGroup[BaseException]", failure).exceptions
        return "; ".join(dict.fromkeys(map(words_of, each)))
    return f"{type(failure).__name__}: {failure}"
