"""API keys of the double: they end, at most ten at once, and are made and revoked by programs only where a person allowed it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from control_app.accounting.odoo.double.errors import Refusal, denied, not_found, unauthorized, user_error
from control_app.accounting.odoo.double.orm import Call, Orm
from control_app.accounting.odoo.double.store import Record, Store
from control_app.core.clock import Clock

MOST_KEYS = 10
LONGEST = timedelta(days=90)
SCOPE = "rpc"
TIME = "%Y-%m-%d %H:%M:%S"
MODEL = "res.users.apikeys"


class Keys:
    """Methods of `res.users.apikeys`, all of one user."""

    def __init__(self, store: Store, orm: Orm, clock: Clock, user: int) -> None:
        self._store, self._orm, self._clock, self._user = store, orm, clock, user
        self.are_in_build = True
        """Whether this build of Odoo has `generate` and `revoke`; that of 2026-03-01 has not."""
        self.is_programmatic = True
        """What the system parameter `base.enable_programmatic_api_keys` says."""

    def seed(self, key: str, name: str) -> None:
        """Give the user *key* once; where it ended it begins anew, so that an old file can be opened."""
        record = self._find(key)
        if record:
            self._store.put(MODEL, {**record, "expiration_date": self._text(self._clock() + LONGEST)})
        elif not self._store.last(f"id of {MODEL}"):
            self._add(key, name, self._clock() + LONGEST)

    def check(self, authorization: str) -> None:
        """A refusal where what the header says is no living key of the user."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized("User not authenticated, use an API Key with a Bearer Authorization header.")
        if self._living(key) is None:
            raise unauthorized("Invalid apikey")

    def search_read(self, call: Call, domain: Sequence[Any] = (), **arguments: Any) -> list[Record]:
        """Keys that live: those that ended are cleared away."""
        lives = ["|", ["expiration_date", "=", False], ["expiration_date", ">=", self._text(self._clock())]]
        return self._orm.search_read(call, [*domain, *lives], **arguments)

    def generate(self, _: Call, key: str, scope: str | None, name: str, expiration_date: str) -> str:
        """A new key, by showing one that lives."""
        self._check_programmatic("generate")
        now = self._clock()
        if sum(self._lives(record) for record in self._store.all(MODEL)) >= MOST_KEYS:
            raise user_error(f"there are {MOST_KEYS} API keys already, the most that programs may make")
        if self._living(key) is None or (scope or SCOPE) != SCOPE:
            raise denied("the API key shown is not yours, or not of that scope")
        end = _time(expiration_date)
        if end > now + LONGEST:
            raise Refusal(422, "odoo.exceptions.ValidationError", f"an API key lasts {LONGEST.days} days at most")
        return self._add(secrets.token_hex(20), name, end)

    def revoke(self, _: Call, key: str) -> bool:
        """End a living key."""
        self._check_programmatic("revoke")
        record = self._living(key)
        if record is None:
            raise denied("the API key to revoke is not known")
        self._store.delete(MODEL, record["id"])
        return True

    def _check_programmatic(self, method: str) -> None:
        if not self.are_in_build:
            raise not_found(f"The method '{MODEL}.{method}' does not exist")
        if not self.is_programmatic:
            raise user_error("programmatic API keys are switched off")

    def _add(self, key: str, name: str, end: datetime) -> str:
        about = {"name": name, "user_id": [self._user, "Control"], "scope": SCOPE, "digest": _digest(key)}
        self._store.add(MODEL, {**about, "create_date": self._text(self._clock()), "expiration_date": self._text(end)})
        return key

    def _find(self, key: str) -> Record | None:
        digest = _digest(key)
        return next((record for record in self._store.all(MODEL) if record["digest"] == digest), None)

    def _living(self, key: str) -> Record | None:
        record = self._find(key)
        return record if record and self._lives(record) else None

    def _lives(self, record: Record) -> bool:
        return _time(record["expiration_date"]) >= self._clock()

    @staticmethod
    def _text(time: datetime) -> str:
        return time.astimezone(UTC).strftime(TIME)


def _time(text: str) -> datetime:
    """The time that *text* tells; of a day it is the beginning."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
