"""Whose secret a caller shows: a virtual key's, which only the gateway can tell, or an admin key's from the settings.

Secrets are not kept: what is remembered goes by their HMAC under a key that this process made for itself.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from control_app.database import Db
from control_app.gateway import GatewayError

KNOWN_SEC, REFUSED_SEC = 60, 5
KNOWN_MOST, REFUSED_MOST = 10_000, 1_000
ASKED_AT_ONCE = 4
"""A gateway that is slow to answer may hold up some of the threads that serve requests, not all."""
SCOPES = ("usage", "prices", "invoices")
_SECRET = re.compile(r"(?:[Bb][Ee][Aa][Rr][Ee][Rr] +)?([!-~]{1,512})")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_FORM = "write name:scope+scope:sha256-of-the-key"


class KeyNotReadYetError(Exception):
    """The gateway knows the key, and the ledger does not yet: it was made, renamed or activated since the last pass."""


@dataclass(frozen=True)
class Admin:
    """Who an admin key was given to, and what it may do."""

    name: str
    scopes: frozenset[str]


def secret_of(authorization: str | None) -> str | None:
    """The secret in the header `Authorization`, bare or after `Bearer`; None where there is none that could be a key."""
    found = _SECRET.fullmatch((authorization or "").strip(" "))
    return found[1] if found and found[1].lower() != "bearer" else None


class KeyCheck:
    """Tells the ledger's key in *db* by its secret.

    *key_name* asks the gateway, by the secret: the name of the active key, or None; it raises GatewayError.
    """

    def __init__(self, key_name: Callable[[str], str | None], db: Db, clock: Callable[[], float] = time.monotonic) -> None:
        self._key_name, self._db, self._clock = key_name, db, clock
        self._own = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known, self._refused = _Memory(KNOWN_MOST), _Memory(REFUSED_MOST)
        self._asking: dict[bytes, Future[str | None]] = {}

    def key(self, secret: str) -> int | None:
        """Our number of the key; None for a secret that the gateway refuses.

        Raises GatewayError where the gateway does not tell, KeyNotReadYetError for a key that the ledger lacks.
        """
        name = self._name(secret)
        return None if name is None else self._number(name)

    def remembers(self, secret: str) -> bool:
        """Whether the gateway need not be asked for this key again, which it took."""
        with self._lock:
            return self._known.get(self._digest(secret), self._clock()) is not None

    def _name(self, secret: str) -> str | None:
        digest = self._digest(secret)
        with self._lock:
            now = self._clock()
            if name := self._known.get(digest, now):
                return name
            if self._refused.get(digest, now) is not None:
                return None
            asked = self._asking.get(digest)
            is_asked = asked is not None
            if asked is None:
                if len(self._asking) >= ASKED_AT_ONCE:
                    raise GatewayError("the gateway is asked for as many keys at once as it may be; try again in a moment")
                asked = self._asking[digest] = Future[str | None]()
        if not is_asked:
            self._ask(secret, digest, asked)
        return asked.result()

    def _ask(self, secret: str, digest: bytes, asked: Future[str | None]) -> None:
        now = self._clock()
        try:
            name = self._key_name(secret)
        except BaseException as error:  # noqa: BLE001 # raised by result(), for all who wait
            with self._lock:
                del self._asking[digest]
            asked.set_exception(error)
            return
        with self._lock:
            del self._asking[digest]
            if name:
                self._known.put(digest, name, now + KNOWN_SEC)
            else:
                self._refused.put(digest, "", now + REFUSED_SEC)
        asked.set_result(name or None)

    def _number(self, name: str) -> int:
        query = "SELECT id FROM keys WHERE name = ? AND deleted_at IS NULL AND is_active LIMIT 2"
        found: list[tuple[int]] = self._db.connection.execute(query, [name]).fetchall()
        if len(found) != 1:
            # Two of one name: one was renamed while they were read, and it is not told which.
            raise KeyNotReadYetError("the key is new, or was changed: the ledger has it within a minute")
        return found[0][0]

    def _digest(self, secret: str) -> bytes:
        return hmac.digest(self._own, secret.encode(), "sha256")


class _Memory:
    """Names by digest, at most *most*; who was not asked for longest is forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def get(self, digest: bytes, now: float) -> str | None:
        name, until = self._names.get(digest, ("", now))
        if until <= now:
            self._names.pop(digest, None)
            return None
        self._names.move_to_end(digest)
        return name

    def put(self, digest: bytes, name: str, until: float) -> None:
        self._names[digest] = (name, until)
        if len(self._names) > self._most:
            self._names.popitem(last=False)


class AdminKeys:
    """The admin keys of the settings, of which only hashes are known; *text*: `name:scope+scope:sha256-hex,…`.

    Raises ValueError that names every malformed entry.
    """

    def __init__(self, text: str) -> None:
        entries: list[tuple[Admin, bytes]] = []
        problems: list[str] = []
        for number, entry in enumerate(text.split(",") if text.strip() else (), 1):
            try:
                entries.append(_parse(number, entry.strip()))
            except ValueError as error:
                problems.append(str(error))
        names = [admin.name for admin, _ in entries]
        problems += [f"{name}: is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
        if problems:
            raise ValueError("; ".join(problems))
        self._entries = entries

    def find(self, secret: str) -> Admin | None:
        """Whose *secret* it is. All entries are compared, each in constant time."""
        digest = hashlib.sha256(secret.encode()).digest()
        found: Admin | None = None
        for admin, known in self._entries:
            if hmac.compare_digest(digest, known):
                found = admin
        return found


def _parse(number: int, entry: str) -> tuple[Admin, bytes]:
    """Messages show no part but the name: anything else may be a secret in the wrong place."""
    name, *parts = (part.strip() for part in entry.split(":"))
    if not _NAME.fullmatch(name) or not parts:
        raise ValueError(f"entry {number}: does not begin with a name; {_FORM}")
    scopes, _, digest = ":".join(parts).partition(":")
    if not _HASH.fullmatch(digest):
        raise ValueError(f"{name}: does not end with 64 hexadecimal digits (printf %s KEY | sha256sum); {_FORM}")
    if not set(scopes.split("+")) <= set(SCOPES):
        raise ValueError(f"{name}: has other scopes than {', '.join(SCOPES)}; {_FORM}")
    return Admin(name, frozenset(scopes.split("+"))), bytes.fromhex(digest)
