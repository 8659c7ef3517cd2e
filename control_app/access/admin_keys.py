"""Admin keys, which stand in the settings as hashes: who has one, and what it may do."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

SCOPES = ("usage", "prices", "invoices")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_FORM = "write name:scope+scope:sha256-of-the-key"


@dataclass(frozen=True)
class Admin:
    """Who an admin key was given to, and what it may do."""

    name: str
    scopes: frozenset[str]


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
