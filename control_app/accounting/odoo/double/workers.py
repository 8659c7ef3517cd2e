"""Odoo's workers, which starve: a send prints a page whose styles another worker must hand out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator


class Workers:
    """*number* of them. As many sends at once all die, after a time-out that is not waited for here."""

    def __init__(self, number: int = 4) -> None:
        self.number = number
        self._lock, self._sending = threading.Lock(), list[threading.Event]()

    @contextlib.contextmanager
    def at_work(self, *, is_printing: bool) -> Generator[threading.Event]:
        """One of them, in the block; set when no other is left to hand out what a send prints."""
        starved = threading.Event()
        if is_printing:
            with self._lock:
                self._sending.append(starved)
                if len(self._sending) >= self.number:
                    for each in self._sending:
                        each.set()
        try:
            yield starved
        finally:
            if is_printing:
                with self._lock:
                    self._sending.remove(starved)
