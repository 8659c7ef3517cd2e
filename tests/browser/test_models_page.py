"""The page of models and prices, as people meet it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
Visit = Callable[..., Page]


def faults(page: Page) -> list[str]:
    """What axe finds wrong with a page's accessibility."""
    page.evaluate(AXE.read_text())
    result: dict[str, Any] = page.evaluate("axe.run()")
    return [f"{fault['id']}: {node['html']}" for fault in result["violations"] for node in fault["nodes"]]


def test_the_page_shows_models_prices_and_what_to_look_at(visit: Visit) -> None:
    page = visit()
    assert page.title() == "Models and prices · Control service"
    row = page.get_by_role("row", name="Qwen2.5-0.5B-Instruct")
    assert [cell.strip() for cell in row.get_by_role("cell").all_inner_texts()] == [
        "8.00",
        "0.00",
        "0.00",
        "24.00",
        "as completion",
        "0",
        "4,096",
        "text",
    ]
    assert "broken: openrouter.ai/json is not JSON" in page.get_by_role("region", name="1 to look at").inner_text()


def test_the_page_shows_what_waits_and_the_commands_that_decide(visit: Visit) -> None:
    waiting = visit().get_by_role("region", name="2 to decide")
    assert waiting.get_by_role("listitem").all_inner_texts()[:2] == ["Prompt 8.00 → 80.00", "Request 0 → 0.5"]
    commands = [f"control prices {verb} --reason …" for verb in ("accept dear", "withdraw gone")]
    assert waiting.locator("td code").all_inner_texts() == commands


def test_a_model_that_is_gone_is_listed_and_its_sale_can_be_ended_by_a_form(visit: Visit) -> None:
    page = visit()
    assert page.get_by_role("row", name="Gone gone").get_by_role("cell").first.inner_text().strip() == "8.00"
    page.get_by_text("End a sale", exact=True).click()
    page.get_by_role("combobox", name="Model").select_option("gone")
    assert page.get_by_label("Reason to end the sale").get_attribute("required") is not None
    assert page.get_by_role("button", name="End the sale").is_visible()
    assert faults(page) == []


def test_the_page_shows_how_the_gateways_prices_differ(visit: Visit) -> None:
    sheet = visit().get_by_role("region", name="The gateway's prices")
    assert "Not known to be equal to the sheet since" in sheet.inner_text()
    assert "dear Prompt: 8.00 in the sheet, — at the gateway" in sheet.get_by_role("listitem").all_inner_texts()


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_has_no_fault_of_accessibility(visit: Visit, *, dark: bool) -> None:
    assert faults(visit(dark=dark)) == []


def test_the_page_is_used_by_keyboard_alone(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "scroll", "the wide table can be scrolled by arrow keys"


def test_on_a_phone_the_table_scrolls_and_the_page_does_not(visit: Visit) -> None:
    page = visit(width=375)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate("document.querySelector('.scroll').scrollWidth > document.querySelector('.scroll').clientWidth")


def test_what_an_annotation_says_is_no_markup(visit: Visit) -> None:
    page = visit()
    assert page.locator("main img").count() == 0
    assert "<img src=x onerror=alert(1)>" in page.get_by_role("rowheader", name="sly").inner_text()


def test_the_links_lead_to_the_lists_that_programs_read(visit: Visit) -> None:
    for name, content in {
        "OpenRouter list": '"supported_features"',
        "schema 2.4": '"schema_version"',
        "Bifrost sheet": '"kubeai/sly"',
    }.items():
        page = visit()
        page.get_by_role("link", name=name).click()
        assert content in page.content()
