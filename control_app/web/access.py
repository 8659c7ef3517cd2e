"""Who calls: the holder of a virtual key, or of an admin key. Each may ask so many times a minute."""

from __future__ import annotations

import ipaddress
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
from werkzeug.exceptions import Conflict, ServiceUnavailable, TooManyRequests, Unauthorized

from control_app.access.admin_keys import Admin, AdminKeys
from control_app.access.virtual_keys import KeyCheck, KeyNotReadYetError, secret_of
from control_app.core.numbers import KeyNo
from control_app.gateway.port import GatewayError, UnidentifiedKeyError

KEY_HEADERS = ("x-bf-vk", "Authorization", "x-api-key")
"""Where the gateway takes a virtual key, in its order (docs/facts/bifrost.md, Keys and customers)."""
UNKNOWN_TIMES = 10
"""All callers together may show so many times as many unknown keys a minute as one of them may."""
RETRY_GATEWAY_SEC = 15
RETRY_NEW_KEY_SEC = 30
log = structlog.stdlib.get_logger("control_app.web")


@dataclass(frozen=True)
class Caller:
    """Who sent a request: either `key`, our number of a virtual key, or `admin`, the holder of an admin key."""

    key: KeyNo | None
    admin: Admin | None


class Access:
    """Finds out who calls. A key may ask *per_minute* times a minute, and so may an address that sends no good key.

    Guesses from many addresses share UNKNOWN_TIMES of that.
    """

    def __init__(self, keys: KeyCheck, admins: AdminKeys, per_minute: int) -> None:
        self._keys, self._admins = keys, admins
        self._limit, self._unknown = RateLimitItemPerMinute(per_minute), RateLimitItemPerMinute(UNKNOWN_TIMES * per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def caller(self, scope: str) -> Caller:
        """Who sent the request; an admin key must have the *scope*. Raises the HTTP error that answers anybody else."""
        secret = secret_of(next((sent for name in KEY_HEADERS if (sent := request.headers.get(name))), None))
        if secret is None:
            self._refuse(f"there is no key; send the virtual key in one of the headers {', '.join(KEY_HEADERS)}, bare or as Bearer")
        if admin := self._admins.find(secret):
            self._count("admin", admin.name)
            if scope not in admin.scopes:
                abort(403, f"the admin key {admin.name} has no scope {scope}")
            return Caller(None, admin)
        # Somebody who guesses keys must not make us ask the gateway for each guess; a key that is in use is not slowed down by that.
        if not self._keys.remembers(secret):
            self._guessing()
        key = self._key(secret)
        if key is None:
            self._limiter.hit(self._unknown, "unknown")
            self._refuse("the key is unknown or inactive")
        self._count("key", str(key))
        return Caller(key, None)

    def _key(self, secret: str) -> KeyNo | None:
        try:
            return self._keys.key(secret)
        except KeyNotReadYetError as error:
            raise ServiceUnavailable(str(error), retry_after=RETRY_NEW_KEY_SEC) from error
        except UnidentifiedKeyError as error:
            raise Conflict(str(error)) from error
        except GatewayError as error:
            log.warning("the gateway does not tell whose key it is", error=str(error))
            detail = "whether the key is good cannot be told now, since the gateway does not answer"
            raise ServiceUnavailable(detail, retry_after=RETRY_GATEWAY_SEC) from error

    def _guessing(self) -> None:
        if not self._limiter.test(self._limit, *_address()):
            self._too_many(*_address())
        if not self._limiter.test(self._unknown, "unknown"):
            detail = "too many unknown keys are tried at the moment; whether this one is good cannot be told now"
            raise ServiceUnavailable(detail, retry_after=RETRY_GATEWAY_SEC)

    def _refuse(self, detail: str) -> NoReturn:
        self._count(*_address())
        raise Unauthorized(detail, www_authenticate=WWWAuthenticate("bearer"))

    def _count(self, kind: str, name: str) -> None:
        if not self._limiter.hit(self._limit, kind, name):
            self._too_many(kind, name)

    def _too_many(self, kind: str, name: str) -> NoReturn:
        # By the machine's own clock, as the limiter's is.
        wait = self._limiter.get_window_stats(self._limit, kind, name).reset_time - time.time()
        raise TooManyRequests(f"more than {self._limit.amount} requests a minute", retry_after=max(1, math.ceil(wait)))


def _address() -> tuple[str, str]:
    """Who is counted as one: of IPv6 a network of 64 bits, which is the least that a customer is given."""
    address = request.remote_addr or ""
    try:
        version6 = ipaddress.IPv6Address(address)
    except ipaddress.AddressValueError:
        return "address", address
    mapped = version6.ipv4_mapped
    return "address", str(mapped or ipaddress.IPv6Network((version6, 64), strict=False))
