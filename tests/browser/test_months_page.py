"""The pages of the months, as people meet them; the usage is the sample's."""

from __future__ import annotations

import pytest

from tests.browser.conftest import LAST_MONTH
from tests.browser.test_models_page import Visit, faults

MONTH = f"/months/{LAST_MONTH:%Y-%m}"


def test_the_navigation_leads_to_the_running_month_and_from_there_to_the_last(visit: Visit) -> None:
    page = visit()
    page.get_by_role("link", name="Months").click()
    page.get_by_role("link", name=f"← {LAST_MONTH:%B %Y}").click()
    assert page.get_by_role("heading", level=1).inner_text() == f"{LAST_MONTH:%B %Y}"
    assert page.url.endswith(MONTH)


def test_the_page_shows_customers_with_what_they_used_and_a_bar_a_day(visit: Visit) -> None:
    page = visit(MONTH)
    names = page.get_by_role("region", name="Customers").get_by_role("rowheader").all_inner_texts()
    assert sorted(names[:-1]) == ["Acme Robotics", "Bluebird Health", "Cobalt Games"]
    heights = [float(bar.get_attribute("height") or 0) for bar in page.locator("svg rect").all()]
    assert len(heights) >= 28
    assert max(heights) == 120


def test_the_days_open_by_keyboard(visit: Visit) -> None:
    page = visit(MONTH)
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("rowheader", name=f"{LAST_MONTH:%Y-%m-%d}").is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_the_month_has_no_fault_of_accessibility(visit: Visit, *, dark: bool) -> None:
    page = visit(MONTH, dark=dark)
    page.locator("summary").click()
    assert faults(page) == []


def test_on_a_phone_the_month_does_not_scroll_sideways(visit: Visit) -> None:
    assert visit(MONTH, width=375).evaluate("document.documentElement.scrollWidth") == 375
