"""The database's tables in the order in which they came: migrations are appended and never edited (sqlite-utils)."""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database, Migrations

from control_app.accounting.rates import RATES
from control_app.core.exchange import in_book_currency
from control_app.gateway.tables import PROOFS
from control_app.invoicing import tables as invoicing
from control_app.ledger.tables import (
    CANCELLED_HOURS,
    CARRIED,
    CLOCKS,
    DAYS_WITH_ROWS,
    DIFFERENCES,
    ENDS,
    ENGINES,
    ENGINES_AND_CANCELS,
    LEDGER,
    PARTS,
    PARTS_OF_DAY,
    PROCESSES,
    SET_ASIDE,
    SET_BACK,
    SUMS_OF_PARTS,
    TWO_LIMBS,
    UNRATED,
)
from control_app.pricing.rates import Rates
from control_app.pricing.tables import JUDGED_PRICES, PRICE_BOOK, STATEMENTS
from control_app.storage import chain
from control_app.storage.database import Db, Schema

migrations = Migrations("control")
CHAINED = {
    "audit": ("at", "who", "what", "subject", "reason"),
    "price_versions": ("model", "effective_from", *Rates._fields, "by_person"),
    # As it was intended; how far it came since is Odoo's to tell.
    "invoices": ("ref", "customer", "month", "n", "credit", "currency", "total", "exact", "body", "run", "created_at"),
}
"""What is written once and never changes, by table (storage/chain.py)."""
SCHEMA = Schema(migrations, CHAINED)


def open_database(path: Path, *, replicated: bool = False) -> Db:
    """The service's database at *path*, with all of its tables; `replicated`: Litestream reads its WAL."""
    return Db(path, SCHEMA, replicated=replicated)


@migrations()
def offers(db: Database) -> None:
    """Accepted offers, appended and never edited. `accepted_at` is UTC, ISO 8601."""
    db.conn.execute(
        "CREATE TABLE offers (id INTEGER PRIMARY KEY, model TEXT NOT NULL, accepted_at TEXT NOT NULL,"
        " document TEXT NOT NULL, features TEXT NOT NULL) STRICT"
    )
    db.conn.execute("CREATE INDEX offers_by_model ON offers (model, id)")


@migrations()
def prices(db: Database) -> None:
    """The price book, the audit, and how the gateway's sheet stands."""
    for statement in STATEMENTS:
        db.conn.execute(statement)


@migrations()
def ledger(db: Database) -> None:
    """The usage ledger. Times are microseconds since 1970 UTC, days are days since then, amounts are pico-units.

    `requests` has its primary key in order of time: with random ids inserts are six times slower.
    """
    for statement in LEDGER.split(";"):  # not executescript, which would commit
        db.conn.execute(statement)


@migrations()
def invoices(db: Database) -> None:
    """Invoices, runs, holds that were released."""
    for statement in invoicing.STATEMENTS:
        db.conn.execute(statement)


@migrations()
def marks(db: Database) -> None:
    """When something was last: `written` (see storage/database.py), `restored` (see storage/replica.py). Microseconds since 1970 UTC."""
    db.conn.execute("CREATE TABLE marks (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID")


@migrations()
def jobs(db: Database) -> None:
    """How each job ran last, by times in microseconds since 1970 UTC. `failing_since`: NULL after a success; `error`: of `failed_at`."""
    db.conn.execute(
        "CREATE TABLE jobs (name TEXT PRIMARY KEY, succeeded_at INTEGER, failing_since INTEGER, failed_at INTEGER,"
        " failures INTEGER NOT NULL DEFAULT 0, error TEXT) STRICT, WITHOUT ROWID"
    )


@migrations()
def audit_by_subject(db: Database) -> None:
    """The audit log by what its lines are about, for the pages that show a few of them."""
    db.conn.execute("CREATE INDEX audit_by_subject ON audit (subject)")


@migrations()
def carried(db: Database) -> None:
    """Months that come to too little for an invoice: a state of `invoices`, whose exact amounts are text, which no sum overflows.

    SQLite changes neither a CHECK nor a type: the table is made anew with its other columns as they are, and takes the old one's place.
    """
    db.conn.execute(CARRIED)
    made: str = db["invoices"].schema
    for old, new in invoicing.CARRIED:
        made = made.replace(old, new)
    db.conn.execute(made)
    db.conn.execute("INSERT INTO invoices_new SELECT * FROM invoices")
    db.conn.execute("DROP TABLE invoices")
    db.conn.execute("ALTER TABLE invoices_new RENAME TO invoices")
    db.conn.execute(invoicing.PENDING)


@migrations()
def judged_prices(db: Database) -> None:
    """What new prices are held against, and models that are sold while their annotations are broken or gone."""
    for statement in JUDGED_PRICES:
        db.conn.execute(statement)


@migrations()
def price_book(db: Database) -> None:
    """In which currency the price book is, and the bound of a row in it."""
    for statement in PRICE_BOOK:
        db.conn.execute(statement)


@migrations()
def e_invoices(db: Database) -> None:
    """What a tax office made of the invoices that were handed in to it."""
    db.conn.execute(invoicing.E_INVOICES)


@migrations()
def proofs(db: Database) -> None:
    """Whether each model could be called at the gateway. What was for sale before stays listed, as one that a call proved."""
    for statement in PROOFS:
        db.conn.execute(statement)


@migrations()
def keys_first(db: Database) -> None:
    """What makes a row of `differences` another comes first: SQLite 3.40's quick_check misreads tables of another order."""
    db.conn.execute(DIFFERENCES)
    db.conn.execute("INSERT INTO ordered (at, id, later, seen_at, first) SELECT at, id, later, seen_at, first FROM differences")
    db.conn.execute("DROP TABLE differences")
    db.conn.execute("ALTER TABLE ordered RENAME TO differences")


@migrations()
def processes(db: Database) -> None:
    """What each of the gateway's processes counted. Of those before it is only known that they were others."""
    for statement in PROCESSES:
        db.conn.execute(statement)


@migrations()
def never_changed(db: Database) -> None:
    """The chain over what is written once, and triggers that refuse to write it again."""
    db.conn.execute(chain.CHAIN)
    keys = {
        "audit": ("id",),
        "price_versions": ("id", "model, effective_from"),
        "invoices": ("id", "ref", "customer, month, n, credit"),
        "chain": ("n", "kind, row"),
    }
    once = (chain.written_once(table, *unique) for table, unique in keys.items())
    for statement in (*once, *chain.append_only("invoices", CHAINED["invoices"]), *chain.append_only("chain")):
        db.conn.execute(statement)


@migrations()
def clocks(db: Database) -> None:
    """How the clocks stand, and where the gateway's was set back."""
    for statement in (CLOCKS, SET_BACK):
        db.conn.execute(statement)


@migrations()
def set_aside(db: Database) -> None:
    """Rows that the ledger could not take, and sums that do not overflow."""
    for statement in (SET_ASIDE, *TWO_LIMBS):
        db.conn.execute(statement)


@migrations()
def ends_of_requests(db: Database) -> None:
    """How requests end, and rows that contradict themselves."""
    for statement in ENDS:
        db.conn.execute(statement)


@migrations()
def order_numbers(db: Database) -> None:
    """Customers' own order numbers."""
    db.conn.execute(invoicing.ORDER_NUMBERS)


@migrations()
def tenders(db: Database) -> None:
    """Invoices in the customer's currency, and rates of exchange. What was billed before was in the price book's."""
    for statement in (invoicing.CURRENCIES, *invoicing.TENDERS, RATES):
        db.conn.execute(statement)
    for (currency,) in db.conn.execute("SELECT DISTINCT currency FROM invoices").fetchall():
        db.conn.execute("UPDATE invoices SET unit = ? WHERE currency = ?", [f"{in_book_currency(currency).unit:f}", currency])


@migrations()
def cancelled_hours(db: Database) -> None:
    """What clients cancelled, by hours, as the rows of before have it."""
    db.conn.execute(CANCELLED_HOURS)


@migrations()
def payments(db: Database) -> None:
    """What of the invoices is paid."""
    db.conn.execute(invoicing.PAYMENTS)


@migrations()
def parts_of_days(db: Database) -> None:
    """Sums by parts of days, all added up anew from the rows, a day at a time: memory is bounded, and a kill leaves what was there."""
    for statement in PARTS:
        db.conn.execute(statement)
    for (day,) in db.conn.execute(DAYS_WITH_ROWS).fetchall():
        db.conn.execute(PARTS_OF_DAY, {"day": day})
    for statement in SUMS_OF_PARTS:
        db.conn.execute(statement)


@migrations()
def engines(db: Database) -> None:
    """What the engines counted themselves, and what of it was logged, as the rows of before have it."""
    for statement in ENGINES:
        db.conn.execute(statement)


@migrations()
def unrated(db: Database) -> None:
    """Rows that are not rated by one index, whether they have no price or are too dear."""
    for statement in UNRATED:
        db.conn.execute(statement)


@migrations()
def settled_payments(db: Database) -> None:
    """Since when invoices are settled, which says how long they are looked at."""
    for statement in invoicing.SETTLED:
        db.conn.execute(statement)


@migrations()
def e_invoices_by_channel(db: Database) -> None:
    """What a tax office and Peppol each made of invoices, which are looked at until that is known."""
    for statement in invoicing.E_INVOICES_BY_CHANNEL:
        db.conn.execute(statement)


@migrations()
def engines_and_cancels(db: Database) -> None:
    """What clients cancelled by models and hours, beside the engines' own count."""
    for statement in ENGINES_AND_CANCELS:
        db.conn.execute(statement)
