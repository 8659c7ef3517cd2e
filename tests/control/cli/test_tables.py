"""What a terminal is shown: names are text, whatever they say to it."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import structlog

from control_app.cli.tables import show
from control_app.core import logs

NAMES = ["[bold]Acme[/bold]", "[/nothing]", "Acme\x1b[2J\x1b]0;title\x07", "Ac\rme", "two\nlines", "\u202egnp.exe", "Țăndărică & Söhne"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_table_moves_no_cursor_and_is_no_markup(capsys: pytest.CaptureFixture[str], name: str) -> None:
    show([{"customer": name, "requests": 1_234}], "Usage", as_json=False)
    text = capsys.readouterr().out
    assert "1,234" in text
    assert (name if name.isprintable() else name.encode("unicode_escape").decode()) in text
    assert not [one for one in text if one != "\n" and not one.isprintable()]


def test_a_name_in_json_is_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"customer": name} for name in NAMES], "Usage", as_json=True)
    assert [row["customer"] for row in json.loads(capsys.readouterr().out)] == NAMES


@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_callers_make_up_moves_no_cursor_in_the_log(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    formatters: Any = logs.logging_config()["formatters"]["structured"]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(**{name: value for name, value in formatters.items() if name != "()"}))
    logger = logging.getLogger("control_app.test_tables")
    logger.addHandler(handler)
    try:
        structlog.stdlib.get_logger("control_app.test_tables").warning("request", path="/\x1b[2J\r\nfake line")
    finally:
        logger.removeHandler(handler)
    text = stream.getvalue()
    assert "fake line" in text
    assert "\x1b[2J" not in text
    assert "\r" not in text
    assert text.count("\n") == 1
