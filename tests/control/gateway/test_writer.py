"""How the double's log is written: in batches, from a queue that overflows where the batches are too large for PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from control_app.gateway.double.writer import QUEUE, ROW_BY_ROW, Batches, Writer, Written

SECOND = timedelta(seconds=1)
BEGAN = datetime(2026, 12, 1, tzinfo=UTC)


def row(number: int) -> Written:
    return Written(number, str(number), "k", "success", b"{}")


def lost(batches: Batches, a_second: int, number: int) -> int:
    """How many of so many rows find no room, at so many a second."""
    writer, dropped = Writer(batches), 0
    for each in range(number):
        now = BEGAN + SECOND * each / a_second
        writer.due(now)
        dropped += not writer.add(row(each), now, None)
    return dropped


def test_a_row_is_written_when_its_batch_is() -> None:
    writer = Writer(Batches(interval=5 * SECOND))
    assert writer.add(row(1), BEGAN, None)
    assert writer.add(row(2), BEGAN, BEGAN + 600 * SECOND)
    assert writer.due(BEGAN + 4.9 * SECOND) == []
    assert writer.due(BEGAN + 5 * SECOND) == [row(1)]
    assert writer.due(None) == [row(2)]


def test_an_id_that_waits_already_is_not_written_twice() -> None:
    writer = Writer(Batches())
    assert writer.add(row(1), BEGAN, None)
    assert writer.add(row(1), BEGAN, None)
    assert writer.due(None) == [row(1)]


def test_a_batch_with_more_parameters_than_postgresql_takes_is_written_row_by_row() -> None:
    writer = Writer(Batches(1000, SECOND))
    for number in range(1000):
        writer.add(row(number), BEGAN, None)
    written = len(writer.due(BEGAN + SECOND))
    assert 700 < written < 1000
    assert len(writer.due(BEGAN + SECOND + 10 * ROW_BY_ROW)) == 10


def test_at_600_a_second_most_rows_are_lost_with_batches_of_1000_and_none_with_500_each_second() -> None:
    assert lost(Batches(), 600, 50_000) > 30_000
    assert lost(Batches(500, SECOND), 600, 50_000) == 0


def test_a_queue_holds_no_more_than_it_can() -> None:
    writer = Writer(Batches(500))
    assert [writer.add(row(number), BEGAN, None) for number in range(QUEUE + 1)].count(False) == 1
