"""The gateway's prices are the sheet's, or it is known since when they are not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog

from control_app.gateway.bifrost.sheet import sheet_text
from control_app.gateway.bifrost.sheet_places import SheetFile
from control_app.gateway.port import GatewayError
from control_app.gateway.publication import Difference, Publication, sheet_state
from control_app.pricing.catalog import Catalog
from control_app.pricing.port import SourceError
from control_app.pricing.store import PriceBook
from control_app.service.tables import open_database
from tests.control.support.clocks import Clock, Source
from tests.control.support.models import NAME, model, priced

KINDS = {
    "input_cost_per_token": "prompt",
    "output_cost_per_token": "completion",
    "cache_read_input_token_cost": "input_cache_read",
    "cache_creation_input_token_cost": "input_cache_write",
}


class SlowGateway:
    """A gateway with Bifrost's traps: it reads its mount at a sync only, says 200 to all, deletes nothing, and tells four kinds."""

    def __init__(self, mount: Path) -> None:
        self._mount, self._place = mount, SheetFile(mount)
        self.table: dict[str, dict[str, Decimal]] = {}
        self.other_modes: dict[str, Sequence[Mapping[str, Decimal]]] = {}
        self.syncs = 0
        self.mounted = True
        self.failure: Exception | None = None

    def publish(self, sheet: str) -> bool:
        return self._place.write(sheet)

    def reload(self) -> None:
        if self.failure:
            raise self.failure
        self.syncs += 1
        if self.mounted and self._mount.exists():
            for key, entry in json.loads(self._mount.read_text(), parse_float=Decimal, parse_int=Decimal).items():
                self.table[key.partition("/")[2]] = {KINDS[field]: price for field, price in entry.items() if field in KINDS}

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        if self.failure:
            raise self.failure
        return {model: [kinds, *self.other_modes.get(model, ())] for model, kinds in self.table.items()}


class Scene:
    """A location with one model, its sheet in a file, and a gateway that reads it."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.db = Clock(), open_database(folder / "control.sqlite3")
        self.path = folder / "shared" / "sheet.json"
        self.source, self.gateway = Source(model()), SlowGateway(self.path)
        self.catalog = Catalog(self.source, PriceBook(self.db, self.clock), sheet_text, self.clock)
        self.publication = self.made()

    def made(self, **other: Any) -> Publication:
        """A publication, as a process makes it."""
        parts: dict[str, Any] = {
            "catalog": self.catalog,
            "gateway": self.gateway,
            "db": self.db,
            "clock": self.clock,
        }
        return Publication(**(parts | other))

    def price(self, document: dict[str, Any]) -> None:
        """Change the model's annotation."""
        self.source.answer = [model(document)]

    def tick(self, after: timedelta = timedelta(seconds=15)) -> None:
        """One tick, a while later."""
        self.clock.now += after
        self.publication.tick()

    @property
    def differing(self) -> list[tuple[str, str]]:
        """Model and kind of what differs."""
        state = sheet_state(self.publication.db)
        return [(difference.model, difference.kind) for difference in state.differences] if state else []

    @property
    def in_sync(self) -> bool:
        """Whether the last tick found the gateway equal."""
        state = sheet_state(self.publication.db)
        return state is not None and state.in_sync


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_before_the_first_tick_nothing_is_known(scene: Scene) -> None:
    assert sheet_state(scene.publication.db) is None


def test_the_sheet_is_written_synced_and_read_back(scene: Scene) -> None:
    scene.tick()
    assert scene.path.read_bytes() == scene.catalog.current().documents.sheet.body
    assert scene.gateway.table[NAME]["prompt"] == Decimal("0.000008")
    state = sheet_state(scene.publication.db)
    assert state
    assert (state.in_sync, state.out_since, list(state.differences), state.error) == (True, None, [], None)
    assert state.checked_at == scene.clock()


def test_an_equal_sheet_is_not_written_again_and_in_the_end_not_synced_again(scene: Scene) -> None:
    scene.tick()
    written = scene.path.stat().st_mtime_ns
    scene.tick(timedelta(minutes=5))
    syncs = scene.gateway.syncs
    scene.tick()
    assert (scene.path.stat().st_mtime_ns, scene.gateway.syncs) == (written, syncs)
    assert scene.in_sync


def test_a_mounted_sheet_that_comes_late_is_synced_until_the_gateway_has_it(scene: Scene) -> None:
    scene.tick()
    scene.gateway.mounted = False
    scene.price(priced(prompt="0.000009"))
    scene.tick()
    out_since = scene.clock()
    for _ in range(5):
        scene.tick()
    state = sheet_state(scene.publication.db)
    assert state
    assert (state.in_sync, state.out_since) == (False, out_since)
    assert state.differences == [Difference(NAME, "prompt", Decimal("0.000009"), Decimal("0.000008"))]
    scene.gateway.mounted = True
    scene.tick()
    assert scene.in_sync


def test_a_change_that_the_gateway_cannot_tell_is_synced_for_as_long_as_a_mount_may_be_late(scene: Scene) -> None:
    scene.tick(timedelta())
    scene.tick(timedelta(minutes=10))
    syncs = scene.gateway.syncs
    scene.source.answer = [model(priced(), features=("TextEmbedding",))]
    for _ in range(4):
        scene.tick(timedelta(minutes=1))
    assert scene.gateway.syncs == syncs + 3
    assert scene.in_sync


def test_a_sync_that_says_success_and_does_nothing_is_found_by_reading_back(scene: Scene) -> None:
    scene.gateway.mounted = False
    scene.tick()
    assert scene.differing == [(NAME, "prompt"), (NAME, "completion")]
    assert not scene.in_sync


def test_prices_that_change_at_the_gateway_are_put_right(scene: Scene) -> None:
    scene.tick()
    scene.tick(timedelta(minutes=10))
    scene.gateway.table[NAME]["completion"] = Decimal(7)
    scene.tick()
    assert scene.in_sync
    assert scene.gateway.table[NAME]["completion"] == Decimal("0.000024")


def test_a_withdrawn_price_is_zero_at_the_gateway_in_the_end(scene: Scene) -> None:
    scene.tick()
    scene.source.answer = []
    scene.tick()
    assert scene.gateway.table[NAME]["prompt"] == Decimal("0.000008")
    scene.catalog.withdraw(NAME, "ana", "retired")
    scene.tick()
    assert set(scene.gateway.table[NAME].values()) == {Decimal(0)}
    assert scene.in_sync


def test_a_rate_that_the_sheet_leaves_out_is_compared_by_its_fallback(scene: Scene) -> None:
    scene.source.answer = [model(priced(input_cache_read=None))]
    scene.tick()
    assert scene.in_sync
    scene.gateway.mounted = False
    scene.gateway.table[NAME]["input_cache_read"] = Decimal("0.000001")
    scene.tick()
    assert scene.differing == [(NAME, "input_cache_read")]


def test_an_empty_sheet_is_not_written_for_a_gateway_needs_a_row_to_start(scene: Scene) -> None:
    scene.source.answer = []
    scene.tick()
    assert not scene.path.exists()
    assert scene.in_sync


def test_a_price_that_differs_in_one_mode_of_requests_is_a_difference(scene: Scene) -> None:
    scene.tick()
    scene.gateway.other_modes[NAME] = [scene.gateway.table[NAME], scene.gateway.table[NAME] | {"completion": Decimal(7)}]
    scene.tick(timedelta(minutes=5))
    assert scene.differing == [(NAME, "completion")]


def test_prices_of_models_that_are_not_ours_are_left_alone(scene: Scene) -> None:
    scene.tick()
    scene.gateway.table["vendor"] = {"prompt": Decimal(1)}
    scene.tick()
    assert scene.in_sync


@pytest.mark.parametrize(("told", "equal"), [("0.0000345679", True), ("0.0000345678", True), ("0.0000345680", False), ("0.000034", False)])
def test_a_gateway_that_shows_ten_decimals_is_compared_to_ten(scene: Scene, told: str, equal: bool) -> None:  # noqa: FBT001
    scene.source.answer = [model(priced(prompt="0.00003456785"))]
    scene.publication = scene.made(decimals=10)
    scene.gateway.mounted = False
    scene.gateway.table[NAME] = {"prompt": Decimal(told)}
    scene.tick()
    assert scene.in_sync == equal


def test_a_gateway_that_keeps_binary_fractions_is_equal_where_ours_is_the_same_fraction(scene: Scene) -> None:
    scene.source.answer = [model(priced(prompt="123456.123456789012"))]
    scene.gateway.mounted = False
    scene.gateway.table[NAME] = {"prompt": Decimal(repr(float("123456.123456789012")))}
    scene.tick()
    assert scene.in_sync


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (GatewayError("no answer from http://gateway"), "no answer from http://gateway"),
        (OSError("reset by peer"), "OSError: reset by peer"),
    ],
)
def test_a_gateway_that_fails_is_said_and_tried_again(scene: Scene, failure: Exception, said: str) -> None:
    scene.gateway.failure = failure
    scene.tick()
    out_since = scene.clock()
    scene.tick()
    state = sheet_state(scene.publication.db)
    assert state
    assert (state.in_sync, state.out_since, state.error) == (False, out_since, said)
    scene.gateway.failure = None
    scene.tick()
    assert scene.in_sync


def test_a_place_that_cannot_be_written_is_said_and_prices_are_not_synced(scene: Scene) -> None:
    scene.path.parent.write_text("a file where the folder should be")
    scene.tick()
    state = sheet_state(scene.publication.db)
    assert state
    assert state.error
    assert f"the sheet {scene.path} cannot be written" in state.error
    assert scene.gateway.syncs == 0


def test_models_that_cannot_be_read_are_said(scene: Scene) -> None:
    scene.source.answer = SourceError("models of namespace kubeai cannot be read")
    scene.tick()
    state = sheet_state(scene.publication.db)
    assert state
    assert (state.in_sync, state.error) == (False, "models of namespace kubeai cannot be read")


def test_the_state_outlives_a_restart_and_is_seen_by_other_processes(scene: Scene) -> None:
    scene.gateway.mounted = False
    scene.tick()
    first = scene.clock()
    again = scene.made()
    scene.clock.pass_time()
    again.tick()
    state = sheet_state(open_database(scene.db.path))
    assert state
    assert state == sheet_state(again.db)
    assert (state.out_since, state.differences[0].ours) == (first, Decimal("0.000008"))


def test_what_changes_is_logged_once(scene: Scene) -> None:
    with structlog.testing.capture_logs() as lines:
        for mounted in (False, False, True, True):
            scene.gateway.mounted = mounted
            scene.tick()
    told = [(line["log_level"], line["in_sync"], line["differing"]) for line in lines if line["event"] == "gateway's sheet"]
    assert told == [("warning", False, [NAME]), ("info", True, [])]
