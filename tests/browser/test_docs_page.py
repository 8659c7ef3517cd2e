"""The page that describes the API, as people meet it."""

from __future__ import annotations

import pytest

from tests.browser.test_models_page import Visit, faults


@pytest.mark.parametrize("dark", [False, True])
def test_the_description_has_no_fault_of_accessibility(visit: Visit, *, dark: bool) -> None:
    assert faults(visit("/docs", dark=dark)) == []


def test_the_navigation_leads_to_the_description_and_a_shape_to_its_fields(visit: Visit) -> None:
    page = visit()
    page.get_by_role("link", name="API").click()
    page.get_by_role("region", name="GET /usage").get_by_role("link", name="BadRequest").click()
    assert page.url.endswith("/docs#BadRequest")
    assert page.get_by_role("region", name="Fields of BadRequest").get_by_role("rowheader").all_inner_texts()[-1] == "errors"


def test_on_a_phone_the_description_does_not_scroll_sideways(visit: Visit) -> None:
    assert visit("/docs", width=375).evaluate("document.documentElement.scrollWidth") == 375


def test_what_is_code_in_the_description_is_shown_as_code(visit: Visit) -> None:
    region = visit("/docs").get_by_role("region", name="GET /bifrost/pricingSheet")
    assert "kubeai/<model>" in region.locator("p code").all_inner_texts()
    assert "<code>" not in region.inner_text()
