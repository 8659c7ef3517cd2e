"""Reads in the background: at once when something changed, and again after a while in any case."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from control_app.core.failures import words_of

SETTLE = timedelta(seconds=1)
"""Between two readings at least: a watch tells of every object at its start, and of a rollout many times."""
WATCH_AGAIN = timedelta(seconds=2)
WATCH_AFTER_FAILURE = timedelta(seconds=15)
log = structlog.stdlib.get_logger("control_app.refresher")
Watch = Callable[[Callable[[], None]], None]


class Refresher:
    """Calls *read*, which says after how long to call again at the latest; *watch* makes it sooner.

    A watch that ends or fails is tried again; meanwhile the periodic readings go on.
    """

    def __init__(self, read: Callable[[], timedelta], watch: Watch | None) -> None:
        self._read, self._watch = read, watch
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._reader = threading.Thread(target=self._read_on, name="catalog", daemon=True)

    def start(self) -> None:
        """Begin with a reading, and return."""
        self._reader.start()
        if self._watch:
            threading.Thread(target=self._watch_on, args=[self._watch], name="catalog-watch", daemon=True).start()

    def stop(self) -> None:
        """Wait for the reading that is under way. A watch that is under way ends by itself."""
        self._stopping.set()
        self._woken.set()
        self._reader.join()

    def _read_on(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            enough = self._read()
            self._stopping.wait(SETTLE.total_seconds())
            self._woken.wait((enough - SETTLE).total_seconds())

    def _watch_on(self, watch: Watch) -> None:
        failed = False
        while not self._stopping.is_set():
            try:
                watch(self._woken.set)
                failed = False
            except Exception as error:  # noqa: BLE001 # whatever it is, the periodic readings go on
                if not failed:
                    log.warning("the watch failed; what changes is seen at the next periodic reading", error=words_of(error))
                failed = True
            self._stopping.wait((WATCH_AFTER_FAILURE if failed else WATCH_AGAIN).total_seconds())
