"""Prices that are known of models: for estimates, since nothing is billed by them."""

from __future__ import annotations

from collections.abc import Mapping

from control_app.pricing.rates import Rates, resolve
from control_app.pricing.store import stored_offer
from control_app.storage.database import Db

_NEWEST = f"""SELECT v.model, {", ".join(f"v.{kind}" for kind in Rates._fields)} FROM price_versions v
  WHERE v.effective_from = (SELECT max(effective_from) FROM price_versions WHERE model = v.model AND prompt IS NOT NULL)"""


def newest_rates(db: Db) -> Mapping[str, Rates]:
    """The newest price of each model that ever had one, also where its sale is over."""
    return {model: Rates(*rates) for model, *rates in db.connection.execute(_NEWEST)}


def waiting_rates(db: Db) -> Mapping[str, Rates]:
    """The prices that wait for a person, by model; without those that today's rules refuse."""
    rows = db.connection.execute("SELECT model, document, features FROM pending_prices")
    offers = (stored_offer(*row) for row in rows)
    return {offer.model: resolve(offer.prices) for offer in offers if offer}
