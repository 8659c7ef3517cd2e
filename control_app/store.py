"""The SQLite database; the only module that speaks SQL."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import simplejson
import sqlite_utils
from sqlite_utils import Database, Migrations

from control_app.offers import Offer
from control_app.prices import parse_prices

migrations = Migrations("control")


@migrations()
def offers(db: Database) -> None:
    """Accepted offers, appended and never edited. `accepted_at` is UTC, ISO 8601."""
    db.conn.execute(
        "CREATE TABLE offers (id INTEGER PRIMARY KEY, model TEXT NOT NULL, accepted_at TEXT NOT NULL,"
        " document TEXT NOT NULL, features TEXT NOT NULL) STRICT"
    )
    db.conn.execute("CREATE INDEX offers_by_model ON offers (model, id)")


class Store:
    """An OfferBook in a file. Connections are short-lived, so that threads share none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as db:
            db.enable_wal()
            migrations.apply(db)

    def last(self, model: str) -> Offer | None:
        """The offer accepted last for *model*."""
        with self._connect() as db:
            query = "SELECT document, features FROM offers WHERE model = ? ORDER BY id DESC LIMIT 1"
            row: tuple[str, str] | None = db.conn.execute(query, [model]).fetchone()
        if row is None:
            return None
        document = simplejson.loads(row[0], use_decimal=True)
        return Offer(model, document, parse_prices(document["pricing"]), tuple(simplejson.loads(row[1])))

    def accept(self, offer: Offer, at: datetime) -> None:
        """Append *offer*."""
        row = (
            offer.model,
            at.astimezone(UTC).isoformat(),
            simplejson.dumps(offer.document, use_decimal=True),
            simplejson.dumps(list(offer.features)),
        )
        with self._connect() as db, db.conn:
            db.conn.execute("BEGIN IMMEDIATE")
            db.conn.execute("INSERT INTO offers (model, accepted_at, document, features) VALUES (?, ?, ?, ?)", row)

    def check(self) -> None:
        """Raises sqlite3.Error where the database cannot be written."""
        with self._connect() as db:
            db.conn.execute("BEGIN IMMEDIATE")
            db.conn.rollback()

    @contextlib.contextmanager
    def _connect(self) -> Generator[Database]:
        db = sqlite_utils.Database(str(self._path))
        try:
            db.conn.execute("PRAGMA busy_timeout = 5000")
            yield db
        finally:
            db.close()
