"""Who holds which key, with history: usage belongs to the customer who held the key when the request started."""

from __future__ import annotations

import sqlite3

from control_app.core.numbers import CustomerNo
from control_app.gateway.port import Directory, Key
from control_app.storage.database import Db


class DirectoryKeeper:
    """Keeps the gateway's customers and keys in *db*; nothing is deleted, since what was used stays billable."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def keep(self, found: Directory, at: int) -> None:
        """Take over *found*, which was read *at* a time of the gateway's; rows of keys that changed hands follow by `Ledger.follow_moves`.

        A key that was deactivated and lost its customer in the same breath keeps it: so the gateway answers a partial PUT.
        """
        with self._db.transaction() as db:
            last: tuple[int] | None = db.execute("SELECT passed_at FROM progress WHERE source = 'directory'").fetchone()
            if last and last[0] > at:
                return  # another process has read it since
            db.execute("INSERT OR REPLACE INTO progress (source, until, passed_at) VALUES ('directory', ?1, ?1)", [at])
            for customer in found.customers:
                _upsert(db, "customers", customer.id, customer.name)
            _mark_deleted(db, "customers", [customer.id for customer in found.customers], at)
            for key in found.keys:
                _keep_key(db, key, last[0] if last else 0, at)
            _mark_deleted(db, "keys", [key.id for key in found.keys], at)
            # What a deleted key lost cannot be given back to it.
            db.execute("UPDATE keys SET lost_customer_at = NULL WHERE deleted_at IS NOT NULL")


def _keep_key(db: sqlite3.Connection, key: Key, last_read: int, at: int) -> None:
    known = _upsert(db, "keys", key.id, key.name)
    customer: CustomerNo | None = None
    if key.customer:
        # A key's customer may be newer than the list of customers that was read before it.
        db.execute("INSERT OR IGNORE INTO customers (gateway_id, name) VALUES (?1, ?1)", [key.customer])
        customer = db.execute("SELECT id FROM customers WHERE gateway_id = ?", [key.customer]).fetchone()[0]
    last = db.execute("SELECT since, customer FROM holders WHERE key = ? ORDER BY since DESC LIMIT 1", [known]).fetchone()
    lost = not key.is_active and customer is None and last is not None and last[1] is not None
    lost_at = "CASE WHEN :lost THEN coalesce(lost_customer_at, :at) END"
    db.execute(
        f"UPDATE keys SET is_active = :active, lost_customer_at = {lost_at} WHERE id = :key",
        {"active": key.is_active, "lost": lost, "at": at, "key": known},
    )
    if lost or (last is not None and last[1] == customer):
        return
    # Who held a key before it was first seen is not known; its first holder stands for the time before, the first customer also
    # for the time when nobody held it, or that would be billed to nobody.
    # Of a change the gateway's time is taken where it can be this one's: after the last look, not after this one.
    changed = key.updated_at if last_read < key.updated_at <= at else at
    since = 0 if last is None or last == (0, None) else max(changed, last[0] + 1)
    db.execute("INSERT OR REPLACE INTO holders (key, since, customer) VALUES (?, ?, ?)", [known, since, customer])
    statement = "INSERT INTO uncorrected (key, since) VALUES (?, ?) ON CONFLICT DO UPDATE SET since = min(since, excluded.since)"
    db.execute(statement, [known, since])


def _upsert(db: sqlite3.Connection, table: str, gateway_id: str, name: str) -> int:
    statement = f"""INSERT INTO {table} (gateway_id, name) VALUES (?, ?)
      ON CONFLICT (gateway_id) DO UPDATE SET name = excluded.name, deleted_at = NULL RETURNING id"""
    known: int = db.execute(statement, [gateway_id, name]).fetchone()[0]
    return known


def _mark_deleted(db: sqlite3.Connection, table: str, present: list[str], at: int) -> None:
    db.execute("CREATE TEMP TABLE IF NOT EXISTS present (gateway_id TEXT PRIMARY KEY)")
    db.execute("DELETE FROM temp.present")
    db.executemany("INSERT OR IGNORE INTO temp.present (gateway_id) VALUES (?)", ((one,) for one in present))
    db.execute(
        f"UPDATE {table} SET deleted_at = ? WHERE deleted_at IS NULL AND gateway_id NOT IN (SELECT gateway_id FROM temp.present)", [at]
    )
