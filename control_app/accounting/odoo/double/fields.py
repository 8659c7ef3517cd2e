"""Which fields the double's models have, in the names of Odoo's."""

from __future__ import annotations

from collections.abc import Mapping

MOVE = (
    "commercial_partner_id",
    *("move_type", "partner_id", "ref", "invoice_origin", "currency_id", "journal_id", "company_id", "invoice_date", "invoice_date_due"),
    *("invoice_payment_term_id", "delivery_date", "invoice_line_ids", "reversed_entry_id", "state", "name", "posted_before"),
    *("fiscal_position_id", "narration", "payment_state", "is_move_sent", "invoice_currency_rate"),
    *("amount_untaxed", "amount_tax", "amount_total", "amount_residual"),
)
FIELDS: Mapping[str, frozenset[str]] = {
    "account.fiscal.position": frozenset({"name", "company_id"}),
    "account.journal": frozenset({"name", "code", "type", "sequence", "active", "company_id", "currency_id"}),
    "account.move": frozenset(MOVE),
    "account.move.line": frozenset({"move_id", "product_id", "name", "quantity", "price_unit", "price_subtotal", "price_total", "tax_ids"}),
    "account.move.send.wizard": frozenset({"move_id", "sending_methods", "extra_edis"}),
    "account.tax": frozenset(
        {"name", "amount", "amount_type", "price_include", "type_tax_use", "tax_scope", "active", "company_id", "country_id"}
    ),
    "decimal.precision": frozenset({"name", "digits"}),
    "ir.attachment": frozenset({"name", "res_model", "res_id", "res_field", "mimetype", "datas"}),
    "ir.config_parameter": frozenset({"key", "value"}),
    "ir.mail_server": frozenset({"name", "active"}),
    "ir.model.fields": frozenset({"model", "name", "ttype"}),
    "mail.message": frozenset({"model", "res_id", "message_type", "subject", "date", "body"}),
    "mail.notification": frozenset(
        {"mail_message_id", "res_partner_id", "notification_type", "notification_status", "failure_type", "failure_reason"}
    ),
    "product.product": frozenset({"name", "default_code", "type", "sale_ok", "active", "taxes_id", "company_id"}),
    "res.company": frozenset(
        {
            "name",
            "currency_id",
            "country_code",
            "vat",
            "street",
            "city",
            "state_id",
            "tax_calculation_rounding_method",
            "account_sale_tax_id",
            "account_fiscal_country_id",
        }
    ),
    "res.currency": frozenset({"name", "active", "decimal_places", "rounding", "rate", "date"}),
    "res.partner": frozenset(
        {
            *("name", "ref", "email", "vat", "street", "city", "state_id", "country_id", "country_code", "active", "company_id"),
            *("property_account_position_id", "invoice_sending_method"),
        }
    ),
    "res.users": frozenset({"name", "login", "company_id", "company_ids"}),
    "res.users.apikeys": frozenset({"name", "user_id", "scope", "create_date", "expiration_date"}),
}
"""Those that every Odoo with invoicing has; `ir.model.fields` has those that modules and people added."""
ORDERS: Mapping[str, str] = {"mail.message": "id desc"}
"""In which order a model's records come where none is asked for, if not by id."""
