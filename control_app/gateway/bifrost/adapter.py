"""Bifrost as the gateway's port asks for it, put together from its API, its database and the place of its price sheet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal

from control_app.gateway.bifrost.api import GatewayApi
from control_app.gateway.bifrost.counters import Counters
from control_app.gateway.bifrost.own_key import OwnKey
from control_app.gateway.bifrost.sheet_places import SheetPlace
from control_app.gateway.port import Directory, GatewayError, Reader, Reading, Row


class Bifrost:
    """A Gateway: *api*, with its sheet at *place*; what Bifrost keeps is read from *reader* where there is one.

    What each method is for says the port (gateway/port.py).
    """

    def __init__(self, api: GatewayApi, place: SheetPlace, reader: Reader | None = None) -> None:
        self._api, self._place, self._reader = api, place, reader or api
        self._counters, self._own = Counters(), OwnKey(api)

    def now(self) -> int:
        """Bifrost's own clock, since it stamps the rows; its database's while Bifrost is off and its database is read."""
        try:
            return self._api.now()
        except GatewayError:
            if self._reader is self._api:
                raise
            return self._reader.now()

    def rows(self, start: int, end: int) -> Iterator[Sequence[Row]]:
        """The rows of a range, as the port says."""
        return self._reader.rows(start, end)

    def first(self) -> int | None:
        return self._reader.first()

    def directory(self) -> Directory:
        return self._reader.directory()

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        return self._reader.prices()

    def counts(self) -> Reading:
        return self._counters.read(self._api.metrics(), self._api.dropped())

    def publish(self, sheet: str) -> bool:
        return self._place.write(sheet)

    def reload(self) -> None:
        self._api.force_sync()

    def barred(self) -> Sequence[str]:
        return self._api.barred()

    def own_key(self) -> str:
        return self._own.id

    def callable_models(self) -> Collection[str]:
        return self._own.callable_models()

    def reload_models(self) -> None:
        self._own.reload_models()

    def call(self, model: str, features: Sequence[str]) -> None:
        self._own.call(model, features)

    def key_of(self, secret: str) -> str | None:
        return self._api.key_id(secret)
