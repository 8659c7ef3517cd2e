"""Who calls: the holder of a virtual key, or of an admin key. Each has so many requests a minute."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NoReturn

import structlog
from flask import abort, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests, Unauthorized

from control_app.gateway import GatewayError
from control_app.key_check import Admin, AdminKeys, KeyCheck, KeyNotReadYetError, secret_of

RETRY_GATEWAY_SEC = 15
RETRY_NEW_KEY_SEC = 30
log = structlog.stdlib.get_logger("control_app.web")


@dataclass(frozen=True)
class Caller:
    """One of the two: `key` is our number of a virtual key."""

    key: int | None
    admin: Admin | None


class Access:
    """Finds out who calls; *per_minute* are the requests that a key has, and those that an address has without one."""

    def __init__(self, keys: KeyCheck, admins: AdminKeys, per_minute: int) -> None:
        self._keys, self._admins = keys, admins
        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def caller(self, scope: str) -> Caller:
        """Who sent the request; an admin key needs the *scope*. Raises what HTTP answers to others."""
        secret = secret_of(request.headers.get("Authorization"))
        if secret is None:
            self._refuse("Authorization has no key; send the virtual key, bare or as Bearer")
        if admin := self._admins.find(secret):
            self._count("admin", admin.name)
            if scope not in admin.scopes:
                abort(403, f"the admin key {admin.name} has no scope {scope}")
            return Caller(None, admin)
        # Who guesses keys does not make us ask the gateway for each, and disturbs no key that is at work.
        if not self._keys.remembers(secret) and not self._limiter.test(self._limit, *_address()):
            self._too_many(*_address())
        key = self._key(secret)
        if key is None:
            self._refuse("the key in Authorization is unknown or inactive")
        self._count("key", str(key))
        return Caller(key, None)

    def _key(self, secret: str) -> int | None:
        try:
            return self._keys.key(secret)
        except KeyNotReadYetError as error:
            raise ServiceUnavailable(str(error), retry_after=RETRY_NEW_KEY_SEC) from error
        except GatewayError as error:
            log.warning("the gateway does not tell whose key it is", error=str(error))
            detail = "whether the key is good cannot be told now, since the gateway does not answer"
            raise ServiceUnavailable(detail, retry_after=RETRY_GATEWAY_SEC) from error

    def _refuse(self, detail: str) -> NoReturn:
        self._count(*_address())
        raise Unauthorized(detail, www_authenticate=WWWAuthenticate("bearer"))

    def _count(self, kind: str, who: str) -> None:
        if not self._limiter.hit(self._limit, kind, who):
            self._too_many(kind, who)

    def _too_many(self, kind: str, who: str) -> NoReturn:
        wait = self._limiter.get_window_stats(self._limit, kind, who).reset_time - time.time()
        raise TooManyRequests(f"more than {self._limit.amount} requests a minute", retry_after=max(1, math.ceil(wait)))


def _address() -> tuple[str, str]:
    return "address", request.remote_addr or ""
