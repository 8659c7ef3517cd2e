"""What an Odoo has that somebody set up for invoices of inference: one company, one sale journal, one product."""

from __future__ import annotations

from control_app.odoo.double_moves import PRICE, QUANTITY, Version
from control_app.odoo.double_store import Store

COMPANY, USER = 1, 2
PRODUCT = "AI-INFERENCE"
TAX_PERCENT = 19.0
COUNTRIES = {"RO": "Romania", "DE": "Germany", "FR": "France", "US": "United States"}
CURRENCIES = (("USD", True, 2), ("EUR", True, 2), ("RON", True, 2), ("JPY", False, 0))


def seed(store: Store, version: Version) -> None:
    """Fill an empty store; nothing happens to one that is not."""
    if store.last("id of res.company"):
        return
    for name, is_active, decimals in CURRENCIES:
        store.add("res.currency", {"name": name, "active": is_active, "decimal_places": decimals, "rounding": 10.0**-decimals})
    store.add("res.company", {"name": "Inference Seller", "currency_id": [1, "USD"]})
    company = [COMPANY, "Inference Seller"]
    store.put("res.users", {"id": USER, "name": "Control", "login": "control", "company_id": company, "company_ids": [COMPANY]})
    journal = {"name": "Customer Invoices", "code": "INV", "type": "sale", "sequence": 5, "active": True, "currency_id": False}
    store.add("account.journal", {**journal, "company_id": company})
    tax = {"name": "19%", "amount": TAX_PERCENT, "price_include": False, "type_tax_use": "sale", "active": True, "company_id": company}
    taxes = [store.add("account.tax", tax)]
    product = {"name": "AI inference", "default_code": PRODUCT, "sale_ok": True, "active": True, "company_id": False}
    store.add("product.product", {**product, "taxes_id": taxes})
    for name in (PRICE, QUANTITY[version]):
        store.add("decimal.precision", {"name": name, "digits": 2})
