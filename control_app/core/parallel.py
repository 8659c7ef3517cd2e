"""A few threads that work off a list, and stop at the first failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from control_app.core.failures import words_of

T = TypeVar("T")
log = structlog.stdlib.get_logger("control_app.jobs")


def each(items: Sequence[T], act: Callable[[T], None], workers: int, leave: Callable[[], None]) -> None:
    """Do *act* to each of *items*, by so many threads at once, each of which calls *leave* at its end.

    The first exception is raised. Those of the other threads, which were at work just then, are logged.
    """
    waiting, lock = iter(items), threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not failures:
                with lock:
                    item = next(waiting, done)
                if item is done:
                    return
                act(item)  # type: ignore[arg-type] # it is one of them
        except BaseException as error:  # noqa: BLE001 # raised below, whatever it is
            failures.append(error)
        finally:
            leave()

    done = object()
    threads = [threading.Thread(target=work, name=f"invoices-{number}") for number in range(min(workers, len(items)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException as error:  # noqa: BLE001 # Ctrl-C: what was begun ends, and no other begins
        failures.append(error)
        for thread in filter(threading.Thread.is_alive, threads):
            thread.join()
    if failures:
        _log(failures[1:])
        raise failures[0]


def _log(others: Sequence[BaseException]) -> None:
    for other in others:
        log.warning("another failed, too", error=words_of(other))
