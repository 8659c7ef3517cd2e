"""What an answer of Odoo must look like. Each gives what was meant, or raises ValueError."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")
Row = Mapping[str, Any]


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a list of whatever."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def anything(answer: Any) -> Any:
    """Any answer at all, where it does not matter."""
    return answer


def rows(*fields: str) -> Callable[[Any], Sequence[Row]]:
    """Records that have all of *fields*, and an id."""

    def read(answer: Any) -> Sequence[Row]:
        if not is_list(answer):
            raise ValueError("no list of records")
        for row in answer:
            missing = {"id", *fields} - row.keys() if is_object(row) else {"all"}
            if missing:
                raise ValueError(f"a record without {', '.join(sorted(missing))}")
        return answer

    return read


def new_id(answer: Any) -> int:
    """The id of the one record that was created."""
    if not is_list(answer) or len(answer) != 1 or type(answer[0]) is not int:
        raise ValueError("no list of one id")
    return answer[0]


def truth(answer: Any) -> bool:
    """An answer that is true or false."""
    if not isinstance(answer, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 (one error for every shape)
    return answer


def text(answer: Any) -> str:
    """Text that is not empty."""
    if not isinstance(answer, str) or not answer:
        raise ValueError("no text")
    return answer


def member(name: str, kind: type[T]) -> Callable[[Any], T]:
    """The member *name* of an object."""

    def read(answer: Any) -> T:
        value = answer.get(name) if is_object(answer) else None
        if not isinstance(value, kind):
            raise ValueError(f"no object with {name}")  # noqa: TRY004 (one error for every shape)
        return value

    return read


def names(answer: Any) -> Sequence[str]:
    """The names that an object tells something of."""
    if not is_object(answer):
        raise ValueError("no object")
    return [*answer]


def in_one_line(told: str) -> str:
    """What Odoo says in several lines, which belong together."""
    return " ".join(told.split())
