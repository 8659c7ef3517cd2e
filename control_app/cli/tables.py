"""How answers are shown: tables for people, JSON with `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from control_app.core.time import time_of

Cell = str | int | None
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def show(rows: Sequence[Mapping[str, Cell]], title: str, *, as_json: bool) -> None:
    """*rows* of equal keys; numbers stand to the right."""
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for column, value in rows[0].items():
        table.add_column(column.replace("_", " "), justify="right" if isinstance(value, int) or column == "cost" else "left")
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    # What is piped is not cut to a terminal's width.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _cell(value: Cell) -> Text:
    """A value as it stands in a table: names are text, whatever they say to Rich or to the terminal."""
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else value
    return Text("".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text))


def moment(at: int | None) -> str:
    """A time in UTC, to the second."""
    return "never" if at is None else f"{time_of(at):%Y-%m-%d %H:%M:%S}Z"
