"""A ledger to try things on: prices and holders of a small world, and rows of usage."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from control_app.core.numbers import CustomerNo, KeyNo
from control_app.core.time import Range
from control_app.gateway.port import Customer, Directory, Key, Row, UsageRow
from control_app.ledger.directory import DirectoryKeeper
from control_app.ledger.ledger import Ledger
from control_app.ledger.reader import UsageReader
from control_app.ledger.usage import Usage, total
from control_app.service.tables import open_database
from tests.control.support.recomputation import EPOCH, Price, World, at

PICO = Decimal(10) ** 12
KINDS = ("prompt", "input_cache_read", "input_cache_write", "completion", "internal_reasoning", "request")
NOW = at("2026-11-02T00:00")
OCTOBER = Range(at("2026-10-01T00:00"), at("2026-11-01T00:00"))
ALWAYS = Range(0, at("2100-01-01T00:00"))
RATES = {"prompt": Decimal("0.000001"), "completion": Decimal("0.000002"), "input_cache_read": Decimal("0.0000001")}
_numbers = itertools.count()


def row(time: str | int = "2026-10-05T12:00", key: str = "k1", model: str = "llama", **other: Any) -> UsageRow:
    """One call of 100 prompt tokens, 40 of them cached, and 20 out, 5 of them reasoning; *other* fields as said."""
    fields: dict[str, Any] = {
        "id": f"r{next(_numbers)}",
        "at": time if isinstance(time, int) else at(time),
        "key": key,
        "key_name": key,
        "customer": None,
        "model": model,
        "prompt": 100,
        "cached_read": 40,
        "cached_write": 0,
        "completion": 20,
        "reasoning": 5,
        "cost": "0.000104",
    }
    return UsageRow(**(fields | other))


class Books:
    """A ledger in *folder*, with what is needed to fill and read it."""

    def __init__(self, folder: Path) -> None:
        self.db = open_database(folder / "control.sqlite3")
        self.ledger, self.keeper, self.reader = Ledger(self.db), DirectoryKeeper(self.db), UsageReader(self.db)

    def price(self, model: str, since: str | int, rates: Mapping[str, Decimal] | None) -> None:
        """A price version of *model*."""
        resolved: list[int | None] = [None] * len(KINDS)
        if rates is not None:
            fallback = {"prompt": rates["prompt"], "completion": rates["completion"], "request": Decimal(0)}
            fallback |= dict.fromkeys(("input_cache_read", "input_cache_write"), rates["prompt"])
            fallback |= {"internal_reasoning": rates["completion"]}
            resolved = [int((fallback | dict(rates))[kind] * PICO) for kind in KINDS]
        time = since if isinstance(since, int) else at(since)
        statement = f"INSERT INTO price_versions (model, effective_from, {', '.join(KINDS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        self.db.connection.execute(statement, [model, time, *resolved])

    def name(self, model: str, name: str) -> None:
        """*model* was accepted under a name; nothing is offered with it."""
        row = (model, "2026-01-01T00:00:00+00:00", json.dumps({"name": name}), "[]")
        self.db.connection.execute("INSERT INTO offers (model, accepted_at, document, features) VALUES (?, ?, ?, ?)", row)

    def holders(self, found: Mapping[str, str | None], time: int = NOW, **changed: int) -> int:
        """The gateway says that each key is held by whom; *changed*: when a key was. How many rows found another customer."""
        keys = [Key(key, key, customer, is_active=True, updated_at=changed.get(key, 0)) for key, customer in found.items()]
        customers = [Customer(name, f"Customer {name}") for name in sorted({name for name in found.values() if name})]
        return self.directory(customers, keys, time)

    def directory(self, customers: Sequence[Customer], keys: Sequence[Key], time: int = NOW) -> int:
        """The gateway says this; how many rows found another customer."""
        self.keeper.keep(Directory(customers, keys), time)
        return self.ledger.follow_moves()

    def fill(self, world: World) -> None:
        """Take over the prices of *world*, and its holders one after another."""
        for model, prices in world.prices.items():
            for price in prices:
                self.price(model, *price)
        for key, history in world.holders.items():
            for since, customer in history:
                named = self.key(key)
                who = None if customer is None else self.customer(customer)
                self.db.connection.execute("INSERT INTO holders (key, since, customer) VALUES (?, ?, ?)", [named, since, who])

    def key(self, gateway_id: str) -> KeyNo:
        """Our number of a key, given to it where it has none."""
        return KeyNo(self._number("keys", gateway_id))

    def customer(self, gateway_id: str) -> CustomerNo:
        """Our number of a customer."""
        return CustomerNo(self._number("customers", gateway_id))

    def model(self, name: str) -> int:
        """Our number of a model that was used."""
        found: int = self.db.connection.execute("SELECT id FROM models WHERE name = ?", [name]).fetchone()[0]
        return found

    def names(self, table: str) -> dict[int, str]:
        """Gateway ids or names by our numbers."""
        column = "name" if table == "models" else "gateway_id"
        return dict(self.db.connection.execute(f"SELECT id, {column} FROM {table}").fetchall())  # noqa: S608

    def take(self, *rows: Row) -> None:
        """Ingest *rows*."""
        self.ledger.ingest(rows, NOW)

    def used(self, within: Range = ALWAYS, *, key: KeyNo | None = None, customer: CustomerNo | None = None) -> Usage:
        """Everything *within*."""
        return total(self.reader.by((), within, key=key, customer=customer).values())

    def cost(self, within: Range = ALWAYS, *, key: KeyNo | None = None, customer: CustomerNo | None = None) -> Decimal:
        """The amount *within*, in units of currency."""
        return Decimal(self.used(within, key=key, customer=customer).amount) / PICO

    def costs(self) -> dict[tuple[str | None, str, str], Decimal]:
        """The whole ledger in the recomputation's words: by customer, model and day."""
        customers, models = self.names("customers"), self.names("models")
        found = self.reader.by(("customer", "model", "day"), ALWAYS)
        return {
            (customers.get(customer), models[model], (EPOCH + timedelta(days=day)).date().isoformat()): Decimal(usage.amount) / PICO
            for (customer, model, day), usage in found.items()
        }

    def _number(self, table: str, gateway_id: str) -> int:
        self.db.connection.execute(f"INSERT OR IGNORE INTO {table} (gateway_id, name) VALUES (?1, ?1)", [gateway_id])  # noqa: S608
        found: int = self.db.connection.execute(f"SELECT id FROM {table} WHERE gateway_id = ?", [gateway_id]).fetchone()[0]  # noqa: S608
        return found


def small_world(folder: Path) -> Books:
    """One model at RATES from 1970 on, and the key k1 of customer acme."""
    books = Books(folder)
    books.price("llama", 0, RATES)
    books.holders({"k1": "acme"}, 1)
    return books


def version(since: str, **rates: str) -> Price:
    """A price in force from *since*."""
    return Price(at(since), {kind: Decimal(rate) for kind, rate in rates.items()})
