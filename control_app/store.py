"""The SQLite database; the only module that speaks SQL."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import simplejson
import sqlite_utils
from sqlite_utils import Database, Migrations

from control_app.offers import Model, Offer

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

    def last(self, model: str) -> Model | None:
        """*model* as it was when its offer was accepted last."""
        with self._connect() as db:
            query = "SELECT document, features FROM offers WHERE model = ? ORDER BY id DESC LIMIT 1"
            row: tuple[str, str] | None = db.conn.execute(query, [model]).fetchone()
        return Model(model, row[0], tuple(simplejson.loads(row[1]))) if row else None

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
        """Raises sqlite3.Error where an offer could not be written."""
        with self._connect() as db:
            db.conn.execute("BEGIN IMMEDIATE")
            db.conn.execute("DELETE FROM offers WHERE id = 0")  # of which there is none
            db.conn.rollback()

    @contextlib.contextmanager
    def _connect(self) -> Generator[Database]:
        db = sqlite_utils.Database(str(self._path))
        try:
            yield db
        finally:
            db.close()
