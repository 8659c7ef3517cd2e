"""A model is proven by a call, tried again from time to time, and never woken for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from control_app.gateway.bifrost.sheet import sheet_text
from control_app.gateway.port import GatewayError, KeyRefusedError
from control_app.gateway.proofs import AGAIN, RETRY, Proofs, callable_now, proofs
from control_app.pricing.catalog import Catalog
from control_app.pricing.offers import Model
from control_app.pricing.store import PriceBook
from control_app.service.tables import open_database
from tests.control.support.clocks import Clock, Source
from tests.control.support.models import ANNOTATION, NAME, model

MINUTE = timedelta(minutes=1)


class Gateway:
    """One that lets only `known` be called, and reads `has` when it is told to; what is in `broken` fails."""

    def __init__(self) -> None:
        self.has: set[str] = {NAME}
        self.known: set[str] = set()
        self.broken: set[str] = set()
        self.called: list[str] = []
        self.reloads = 0
        self.is_away = False

    def own_key(self) -> str:
        if self.is_away:
            raise GatewayError("away")
        return "own"

    def callable_models(self) -> Collection[str]:
        return self.known

    def reload_models(self) -> None:
        self.reloads += 1
        self.known = set(self.has)

    def call(self, model: str, features: Sequence[str]) -> None:
        self.called.append(model)
        assert features is not None
        if model in self.broken or model not in self.known:
            raise GatewayError(f"{model} answered 503")


class Scene:
    """A location with one model, and a gateway that has not read its list since."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.db, self.gateway = Clock(), open_database(folder / "control.sqlite3"), Gateway()
        self.source = Source(model())
        self.catalog = Catalog(self.source, PriceBook(self.db, self.clock), sheet_text, self.clock)
        self.proofs = Proofs(catalog=self.catalog, gateway=self.gateway, db=self.db, clock=self.clock)

    def has(self, *models: Model) -> None:
        """KubeAI has these."""
        self.source.answer = models
        self.gateway.has = {each.name for each in models}
        self.clock.pass_time()

    def tick(self, after: timedelta = MINUTE) -> None:
        self.clock.now += after
        self.proofs.tick()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_new_model_is_proven_by_a_call_once_the_gateway_has_read_its_list_again(scene: Scene) -> None:
    assert callable_now(scene.db) == {}
    scene.tick()
    assert (scene.gateway.reloads, scene.gateway.called) == (1, [NAME])
    assert callable_now(scene.db) == {NAME: True}


def test_what_the_gateway_lets_be_called_needs_no_new_list(scene: Scene) -> None:
    scene.gateway.known = {NAME}
    scene.tick()
    assert scene.gateway.reloads == 0


def test_a_model_that_was_never_called_well_is_not_proven_and_is_tried_again_soon(scene: Scene) -> None:
    scene.gateway.broken = {NAME}
    scene.tick()
    assert callable_now(scene.db) == {}
    since = scene.clock.now
    scene.tick(RETRY - MINUTE)
    assert len(scene.gateway.called) == 1
    scene.tick()
    found = proofs(scene.db)[NAME]
    assert (found.is_proven, found.failing_since, found.error) == (False, since, f"{NAME} answered 503")
    scene.gateway.broken = set()
    scene.tick(RETRY)
    assert callable_now(scene.db) == {NAME: True}
    assert proofs(scene.db)[NAME].failing_since is None


def test_a_proven_model_stays_so_and_it_is_told_that_it_cannot_be_called_now(scene: Scene) -> None:
    scene.tick()
    scene.gateway.broken = {NAME}
    scene.tick(AGAIN - MINUTE)
    assert callable_now(scene.db) == {NAME: True}, "not tried yet"
    scene.tick()
    assert callable_now(scene.db) == {NAME: False}


def test_a_model_that_kubeai_does_not_have_is_named_and_not_called(scene: Scene) -> None:
    scene.gateway.has = set()
    scene.tick()
    assert scene.gateway.called == []
    assert "does KubeAI have it" in (proofs(scene.db)[NAME].error or "")


def test_for_a_model_that_is_gone_and_still_listed_no_list_is_read_again(scene: Scene) -> None:
    scene.tick()
    scene.has()
    scene.gateway.known = set()
    scene.tick(AGAIN)
    assert scene.gateway.reloads == 1
    assert callable_now(scene.db) == {NAME: False}


def test_a_model_that_sleeps_is_not_woken_and_is_proven_by_the_gateways_list(scene: Scene) -> None:
    scene.has(model(is_asleep=True), model({**ANNOTATION, "id": "other"}, name="other"))
    scene.tick()
    assert scene.gateway.called == ["other"]
    assert callable_now(scene.db)[NAME] is True


def test_nothing_is_asked_where_nothing_is_due(scene: Scene) -> None:
    scene.tick()
    scene.gateway.is_away = True
    scene.tick()


def test_a_gateway_that_is_away_proves_nothing_against_a_model(scene: Scene) -> None:
    scene.gateway.is_away = True
    with pytest.raises(GatewayError):
        scene.tick()
    assert proofs(scene.db) == {}


def test_a_key_of_ours_that_is_refused_proves_nothing_against_a_model(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise KeyRefusedError("over its budget")

    scene.tick()
    monkeypatch.setattr(scene.gateway, "call", refused)
    with pytest.raises(KeyRefusedError):
        scene.tick(AGAIN)
    assert callable_now(scene.db) == {NAME: True}


def test_a_clock_that_was_set_back_makes_every_model_due(scene: Scene) -> None:
    scene.tick()
    scene.tick(-timedelta(days=40))
    assert len(scene.gateway.called) == 2


def test_the_key_of_ours_is_written_down_whenever_it_is_another(scene: Scene) -> None:
    for _ in range(2):
        scene.tick(AGAIN)
    assert scene.db.connection.execute("SELECT gateway_id FROM own_keys").fetchall() == [("own",)]
