"""The pages for people, all of them behind one guard."""

from __future__ import annotations

from flask import Blueprint

from control_app.web.pages import invoice_forms, invoices, models, months
from control_app.web.pages.filters import FILTERS, surroundings
from control_app.web.pages.guard import operators_only, own_pages_only

PAGES = (models.blueprint, months.blueprint, invoices.blueprint, invoice_forms.blueprint)


def guarded_pages() -> Blueprint:
    """All PAGES in one blueprint, whose guard is asked before each of them: a page need not think of it, and cannot do without.

    It also brings the filters and the surroundings of every template, those of errors included.
    """
    parent = Blueprint("pages", __name__)
    parent.before_request(operators_only)
    parent.before_request(own_pages_only)
    parent.app_context_processor(surroundings)
    for function in FILTERS:
        parent.add_app_template_filter(function)
    for page in PAGES:
        parent.register_blueprint(page)
    return parent
