"""Whose secret a caller shows: a virtual key's, which only the gateway can tell.

Secrets are not kept: what is remembered goes by their HMAC under a key that this process made for itself.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from cachetools import TTLCache

from control_app.core.numbers import KeyNo
from control_app.gateway.port import GatewayError
from control_app.storage.database import Db

KNOWN_SEC, TAKEN_SEC, REFUSED_SEC = 60, 24 * 3600, 5
"""So long the gateway is not asked again; so long a key that it took is no stranger's; and so long a refusal stands."""
TAKEN_MOST, REFUSED_MOST = 10_000, 1_000
"""Where there would be more, the key is forgotten that was not asked for longest."""
ASKED_AT_ONCE = 4
"""A gateway that is slow to answer may hold up some of the threads that serve requests, not all."""
STRANGERS_AT_ONCE = 2
"""Of these; the rest is for keys that the gateway has taken before, whoever guesses meanwhile."""
_SECRET = re.compile(r"(?:[Bb][Ee][Aa][Rr][Ee][Rr] +)?([!-~]{1,512})")


class KeyNotReadYetError(Exception):
    """The gateway knows the key, and the ledger does not yet: it was made since the last pass."""


def secret_of(authorization: str | None) -> str | None:
    """The secret in the header `Authorization`, bare or after `Bearer`; None where there is none that could be a key."""
    found = _SECRET.fullmatch((authorization or "").strip(" "))
    return found[1] if found and found[1].lower() != "bearer" else None


class KeyCheck:
    """Finds the ledger's key in *db* by its secret.

    *key_of* asks the gateway by a secret for the id of the active key, or None; it raises GatewayError or UnidentifiedKeyError.
    """

    def __init__(self, key_of: Callable[[str], str | None], db: Db, clock: Callable[[], float] = time.monotonic) -> None:
        self._key_of, self._db = key_of, db
        self._own = secrets.token_bytes(32)
        self._lock = threading.Lock()  # for all that follow
        self._clock = clock
        # With the id that the gateway told, and until when that stands.
        self._taken: TTLCache[bytes, tuple[str, float]] = TTLCache(TAKEN_MOST, TAKEN_SEC, timer=clock)
        self._refused: TTLCache[bytes, bool] = TTLCache(REFUSED_MOST, REFUSED_SEC, timer=clock)
        self._asking: dict[bytes, Future[str | None]] = {}

    def key(self, secret: str) -> KeyNo | None:
        """Our number of the key; None for a secret that the gateway refuses.

        Raises GatewayError where the gateway does not tell, UnidentifiedKeyError where it tells no id, KeyNotReadYetError for a key
        that the ledger lacks.
        """
        gateway_id = self._id(secret)
        return None if gateway_id is None else self._number(gateway_id)

    def remembers(self, secret: str) -> bool:
        """Whether this is a key that the gateway has taken, within a day and by this process."""
        with self._lock:
            return self._digest(secret) in self._taken

    def _id(self, secret: str) -> str | None:
        digest = self._digest(secret)
        with self._lock:
            gateway_id, until = self._taken.get(digest, ("", 0.0))
            if self._clock() < until:
                return gateway_id
            if self._refused.get(digest):
                return None
            asked = self._asking.get(digest)
            is_asked = asked is not None
            if asked is None:
                strangers = sum(one not in self._taken for one in self._asking)
                if len(self._asking) >= ASKED_AT_ONCE or (digest not in self._taken and strangers >= STRANGERS_AT_ONCE):
                    raise GatewayError("the gateway is asked for as many keys at once as it may be; try again in a moment")
                asked = self._asking[digest] = Future[str | None]()
        if not is_asked:
            self._ask(secret, digest, asked)
        return asked.result()

    def _ask(self, secret: str, digest: bytes, asked: Future[str | None]) -> None:
        try:
            found = self._key_of(secret)
        except BaseException as error:  # noqa: BLE001 # raised by result(), for all who wait
            with self._lock:
                del self._asking[digest]
            asked.set_exception(error)
            return
        with self._lock:
            del self._asking[digest]
            if found:
                self._taken[digest] = found, self._clock() + KNOWN_SEC
            else:
                self._taken.pop(digest, None)
                self._refused[digest] = True
        asked.set_result(found or None)

    def _number(self, gateway_id: str) -> KeyNo:
        found: tuple[KeyNo] | None = self._db.connection.execute("SELECT id FROM keys WHERE gateway_id = ?", [gateway_id]).fetchone()
        if found is None:
            raise KeyNotReadYetError("the key is new: the ledger has it within a minute")
        return found[0]

    def _digest(self, secret: str) -> bytes:
        return hmac.digest(self._own, secret.encode(), "sha256")
