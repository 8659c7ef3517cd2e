"""The pages of the person who bills, as people meet them; two months of known amounts, one of them billed already."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page

from control_app.core.clock import utc
from tests.browser.conftest import HELD, LAST_MONTH, TO_BILL
from tests.browser.test_models_page import Visit, faults
from tests.support.waiting import until

MOST_TABS = 80
INVOICE = f"/invoices/of/embedded/bluebird/{HELD:%Y-%m}-1"


@pytest.fixture(scope="module")
def run(service: str) -> str:
    """The path of the run that billed the earlier month: one customer billed, one held by a brake, one without an address."""
    month = f"{HELD:%Y-%m}"
    form = urlencode({"period": month, "reason": "for the tests"}).encode()
    asked = urllib.request.Request(f"{service}/invoices/{month}/bill", form, {"Origin": service})
    with urllib.request.urlopen(asked) as answer:
        address: str = answer.url
    until(lambda: b"Under way" not in urllib.request.urlopen(address).read(), "the run ended", 30)
    return address.removeprefix(service)


def paths(run: str) -> dict[str, str]:
    """Every page, by what it is of."""
    return {
        "a period": f"/invoices/{HELD:%Y-%m}",
        "a period to bill": f"/invoices/{LAST_MONTH:%Y-%m}",
        "the month that runs": f"/invoices/{utc():%Y-%m}",
        "before billing": f"/invoices/{LAST_MONTH:%Y-%m}/bill",
        "a run": run,
        "an invoice": INVOICE,
    }


PAGES = sorted(paths(""))


def tab_to(page: Page, wanted: Locator) -> None:
    """By the Tab key alone."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the Tab key does not lead to {wanted}")


def cells(page: Page, region: str, customer: str) -> list[str]:
    """A customer's row of a table."""
    row = page.get_by_role("region", name=region, exact=True).get_by_role("row", name=customer)
    return [cell.strip() for cell in row.get_by_role("cell").all_inner_texts()]


def unfolded(page: Page) -> Page:
    """With all that is folded open."""
    for summary in page.locator("summary").all():
        summary.click()
    return page


def test_a_month_is_billed_by_keyboard_from_the_page_of_the_month_to_what_became_of_it(visit: Visit) -> None:
    month, name = f"{TO_BILL:%Y-%m}", f"{TO_BILL:%B %Y}"
    page = visit(f"/months/{month}")
    tab_to(page, page.get_by_role("link", name=f"Invoices of {name}"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/invoices/{month}")
    assert cells(page, "Not billed yet", "Bluebird Health") == ["80.00", "80.000984", "-0.000984", "to be billed"]
    tab_to(page, page.get_by_role("link", name=f"Bill {name} …"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/bill")
    tab_to(page, page.get_by_label(f"Type {month} to bill it"))
    page.keyboard.type(month)
    tab_to(page, page.get_by_label("Reason"))
    page.keyboard.type("looked at it")
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Invoiced", exact=True).wait_for()
    assert page.get_by_role("heading", level=1).inner_text() == f"Run of {name}"
    assert cells(page, "Invoiced", "Bluebird Health")[1].startswith("sent as INV/")
    assert "has no e-mail address" in cells(page, "Held", "Cobalt Games")[1]
    assert "160.00 USD is more than the largest invoice, 150 USD" in cells(page, "Held", "Acme Robotics")[1]
    tab_to(page, page.get_by_role("link", name=f"embedded/bluebird/{month}-1"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/of/**")
    assert page.get_by_role("region", name="Lines").get_by_role("row").nth(1).inner_text().split("\t")[1:] == [
        "Prompt",
        "10,000,123",
        "8.00a million",
        "80.000984",
        "80.00",
    ]


@pytest.mark.usefixtures("run")
def test_a_hold_is_released_and_the_invoice_goes_out(visit: Visit) -> None:
    page = visit(f"/invoices/{HELD:%Y-%m}")
    page.get_by_role("region", name="Holds").get_by_text("Release brake-invoice of Acme Robotics", exact=True).click()
    page.get_by_label("Reason to release brake-invoice of Acme Robotics").fill("a large customer")
    page.keyboard.press("Enter")
    assert page.get_by_role("status").inner_text().startswith("The hold is released.")
    page.get_by_label("Reason to resume").fill("released")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("region", name="Invoiced", exact=True).wait_for()
    assert cells(page, "Invoiced", "Acme Robotics")[0] == "160.00"
    assert cells(page, "Invoiced before", "Bluebird Health")[0] == "80.00"


def test_odoo_is_asked_without_anything_being_made(visit: Visit) -> None:
    page = visit(f"/invoices/{LAST_MONTH:%Y-%m}")
    check = page.get_by_role("button", name="Check with Odoo")
    if utc().day == 1:
        assert check.count() == 0, "a month is read a day after its end"
        return
    check.click()
    page.get_by_role("region", name="Would be invoiced").or_(page.get_by_text("from then on")).first.wait_for()
    page.get_by_role("link", name="← Invoices of").click()
    assert page.get_by_role("region", name="Invoices", exact=True).count() == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_a_fault_of_accessibility(visit: Visit, run: str, page: str, *, dark: bool) -> None:
    assert faults(unfolded(visit(paths(run)[page], dark=dark))) == []


@pytest.mark.parametrize("page", PAGES)
def test_on_a_phone_no_page_scrolls_sideways(visit: Visit, run: str, page: str) -> None:
    assert unfolded(visit(paths(run)[page], width=375)).evaluate("document.documentElement.scrollWidth") == 375


@pytest.fixture
def elsewhere(browser: Browser) -> Callable[[], Page]:
    """A page whose complaints are part of the test: the browser tells in its console of what is refused."""
    return lambda: browser.new_context().new_page()


def test_a_form_of_another_sites_page_does_nothing(elsewhere: Callable[[], Page], service: str) -> None:
    page = elsewhere()
    action = f"{service}/invoices/{LAST_MONTH:%Y-%m}/stop"
    page.set_content(f'<form method="post" action="{action}"><input name="reason" value="evil"><button>Win</button></form>')
    page.get_by_role("button").click()
    page.get_by_text("not sent by a page of this service").wait_for()
    page.goto(f"{service}/invoices")
    assert page.get_by_role("region", name="Nothing is made, posted or sent").count() == 0
    page.context.close()


def test_what_is_refused_is_told_without_a_fault_of_accessibility(elsewhere: Callable[[], Page], service: str) -> None:
    page = elsewhere()
    page.goto(f"{service}/invoices/{LAST_MONTH:%Y-%m}")
    page.locator("summary", has_text="Stop all invoicing").click()
    page.get_by_label("Reason to stop").fill(" ")
    page.get_by_role("button", name="Stop all invoicing").click()
    assert page.get_by_role("alert").inner_text() == "Say why: the reason stands in the audit log."
    assert faults(page) == []
    page.get_by_role("link", name="Back").click()
    assert page.url == f"{service}/invoices/{LAST_MONTH:%Y-%m}"
    page.context.close()
