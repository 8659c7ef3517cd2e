"""What an Odoo has that somebody set up for invoices of inference: one company in Romania, one sale journal, one product."""

from __future__ import annotations

from control_app.accounting.odoo.double.moves import PRICE, QUANTITY, Version
from control_app.accounting.odoo.double.store import Store
from control_app.accounting.odoo.double.taxes import EXPORT, INTRA_COMMUNITY

COMPANY, USER = 1, 2
PRODUCT = "AI-INFERENCE"
TAX_PERCENT = 21.0
COUNTRIES = {"RO": "Romania", "DE": "Germany", "FR": "France", "US": "United States"}
CURRENCIES = (("USD", True, 2), ("EUR", True, 2), ("RON", True, 2), ("JPY", False, 0))
DENIED = frozenset(
    (model, operation)
    for model in ("decimal.precision", "ir.config_parameter", "ir.mail_server")
    for operation in ("read", "write", "create", "unlink")
) | {("product.product", "create")}
"""What a user who only does invoices has no right to."""


def country(code: str) -> list[int | str]:
    """A reference to the country of that code."""
    return [sum(code.encode()), COUNTRIES.get(code, code)]


def seed(store: Store, version: Version) -> None:
    """Fill an empty store; nothing happens to one that is not."""
    if store.last("id of res.company"):
        return
    for name, is_active, decimals in CURRENCIES:
        money = {"name": name, "active": is_active, "decimal_places": decimals, "rounding": 10.0**-decimals}
        store.add("res.currency", {**money, "rate": 1.0, "date": False})
    address = {"country_code": "RO", "vat": "RO1234567897", "street": "Strada 1", "city": "Cluj-Napoca", "state_id": [1, "Cluj (RO)"]}
    settings = {**address, "tax_calculation_rounding_method": "round_globally", "account_fiscal_country_id": country("RO")}
    store.add("res.company", {"name": "Inference Seller", "currency_id": [1, "USD"], **settings})
    company = [COMPANY, "Inference Seller"]
    store.put("res.users", {"id": USER, "name": "Control", "login": "control", "company_id": company, "company_ids": [COMPANY]})
    journal = {"name": "Customer Invoices", "code": "INV", "type": "sale", "sequence": 5, "active": True, "currency_id": False}
    store.add("account.journal", {**journal, "company_id": company})
    # Romania's taxes do not say what they are for, and new products get the one of goods.
    tax = {"price_include": False, "type_tax_use": "sale", "tax_scope": False, "active": True, "company_id": company}
    tax |= {"amount_type": "percent", "country_id": country("RO")}
    taxes = [store.add("account.tax", {"name": "21% S", "amount": TAX_PERCENT, **tax})]
    for name, tax_name in ((INTRA_COMMUNITY, "0% EU S"), (EXPORT, "0% EX S")):
        none = store.add("account.tax", {"name": tax_name, "amount": 0.0, **tax})
        store.add("account.fiscal.position", {"name": name, "company_id": company, "in_place": [none]})
    of_goods = store.add("account.tax", {"name": "21% G", "amount": TAX_PERCENT, **tax})
    store.change("res.company", COMPANY, account_sale_tax_id=[of_goods, "21% G"])
    product = {"name": "AI inference", "default_code": PRODUCT, "type": "service", "sale_ok": True, "active": True, "company_id": False}
    store.add("product.product", {**product, "taxes_id": taxes})
    store.add("ir.mail_server", {"name": "Outgoing", "active": True})
    for name in (PRICE, QUANTITY[version]):
        store.add("decimal.precision", {"name": name, "digits": 2})
