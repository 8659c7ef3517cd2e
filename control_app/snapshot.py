"""What is published, from what the annotations say and what the price book holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import structlog

from control_app import documents, pricing_sheet
from control_app.documents import Documents
from control_app.offers import AnnotationError, Model, Offer, parse_offer
from control_app.rates import FREE, Rates, resolve
from control_app.spans import time_of
from control_app.standing import Book, Standing

log = structlog.stdlib.get_logger("control_app.catalog")


@dataclass(frozen=True)
class Change:
    """What is published for a model against what its annotation says.

    `pending`: another price waits for a person, `since` then; `broken`: the annotation offers nothing good; `removed`: the
    `Model` is gone, and its price stays in the gateway's sheet until a person withdraws it. `prices`: by kind, with the
    fallbacks applied, the published one and the new one; None where there is none.
    """

    model: str
    state: Literal["pending", "broken", "removed"]
    reason: str
    prices: Mapping[str, tuple[Decimal | None, Decimal | None]]
    since: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """The catalog as it was read `at` (UTC).

    `offers`: for sale, with the price in force; `problems`: by model, or by `""` for all of them; `rates`: of the models in
    the gateway's sheet, with explicit zeros where a price was withdrawn.
    """

    offers: Sequence[Offer]
    problems: Mapping[str, str]
    changes: Sequence[Change]
    rates: Mapping[str, Rates]
    documents: Documents
    at: datetime


def take(models: Sequence[Model], known: Mapping[str, Standing], book: Book, at: datetime) -> Snapshot:
    """The snapshot of *models*; what is new in them goes into *book*.

    *known* was read from the book before the models: what another process writes since then is left to the next reading.
    """
    models = sorted(models, key=lambda model: model.name)
    good, problems = _annotated(models, known)
    standings = _notice(models, good, known, book)
    present = {model.name for model in models}
    in_force = {name: _freshest(good.get(name), standing.offer) for name, standing in standings.items() if standing.offer}
    offers = [offer for name, offer in in_force.items() if name in present]
    for offer in _copies(offers, known):
        offers.remove(offer)
        problems[offer.model] = f"the id {offer.document['id']!r} is another model's too"
    listed = {offer.model for offer in offers}
    problems = {
        name: f"{problem}; {'the last good one stays in force' if name in listed else 'the model is not for sale'}"
        for name, problem in problems.items()
    }
    withdrawn = {name: standing.features for name, standing in standings.items() if standing.rates is None}
    return Snapshot(
        offers=offers,
        problems=problems,
        changes=[*_changes(standings, problems, present)],
        rates={name: resolve(offer.prices) for name, offer in in_force.items()} | dict.fromkeys(withdrawn, FREE),
        documents=documents.render(offers, pricing_sheet.sheet(in_force.values(), withdrawn)),
        at=at,
    )


def _annotated(models: Sequence[Model], known: Mapping[str, Standing]) -> tuple[dict[str, Offer], dict[str, str]]:
    """Good annotations by model, and what is wrong with the others."""
    good: dict[str, Offer] = {}
    problems: dict[str, str] = {}
    for model in models:
        standing = known.get(model.name)
        if model.annotation is None and (standing is None or standing.rates is None):
            continue  # never was for sale, or is no more
        try:
            good[model.name] = parse_offer(model)
        except AnnotationError as error:
            problems[model.name] = str(error)
    # A broken model holds the id of its last good offer.
    held = [standing.offer for name, standing in known.items() if name in problems and standing.offer]
    for offer in _copies([*good.values(), *held], known):
        if good.pop(offer.model, None):
            problems[offer.model] = f"the id {offer.document['id']!r} is another model's too"
    return good, problems


def _copies(offers: Sequence[Offer], known: Mapping[str, Standing]) -> list[Offer]:
    """Offers whose id is taken: by the model of that name, else by the one that had it first. A buyer could not tell which price holds."""

    def claim(offer: Offer) -> tuple[bool, bool]:
        standing = known.get(offer.model)
        had = standing is not None and standing.offer is not None and standing.offer.document["id"] == offer.document["id"]
        return offer.document["id"] != offer.model, not had

    owners: dict[str, Offer] = {}
    for offer in sorted(offers, key=claim):
        owners.setdefault(offer.document["id"], offer)
    return [offer for offer in offers if owners[offer.document["id"]] is not offer]


def _notice(models: Iterable[Model], good: Mapping[str, Offer], known: Mapping[str, Standing], book: Book) -> dict[str, Standing]:
    """How every model stands after its annotation was noticed."""
    created = {model.name: model.created for model in models}
    standings: dict[str, Standing] = {}
    for name in sorted({*created, *known}):
        seen, offer = known.get(name), good.get(name)
        stands = seen
        if (seen and not seen.holds(offer)) or (seen is None and offer):
            stands = book.notice(name, offer, created.get(name, 0), seen)
        if stands:
            _log(name, seen, stands)
            standings[name] = stands
    return standings


def _log(name: str, before: Standing | None, after: Standing) -> None:
    if after.offer and (before is None or before.offer != after.offer):
        log.info("offer accepted", model=name, prices={kind: str(price) for kind, price in after.offer.prices.items()})
    if after.pending and (before is None or before.pending != after.pending):
        log.warning("price waits for a person", model=name, prices={kind: str(price) for kind, price in after.pending.prices.items()})


def _freshest(annotated: Offer | None, in_force: Offer) -> Offer:
    """The annotation's own offer where it is the one in force: it has the warnings of today's model."""
    return annotated if annotated == in_force and annotated else in_force


def _changes(standings: Mapping[str, Standing], problems: Mapping[str, str], present: set[str]) -> Iterable[Change]:
    for name in sorted({*standings, *problems}):
        standing = standings.get(name)
        rates = standing.rates if standing else None
        if standing and standing.pending and rates:
            since = time_of(standing.pending_since)
            reason = "a price changes by more than half, to 0 or from 0: the old ones stay in force until a person accepts"
            yield Change(name, "pending", reason, _against(rates, resolve(standing.pending.prices)), since)
        elif name in problems:
            yield Change(name, "broken", problems[name], _against(rates, None))
        elif name not in present and rates:
            reason = "the Model is gone: its price stays in the gateway's sheet until a person withdraws it"
            yield Change(name, "removed", reason, _against(rates, None))


def _against(old: Rates | None, new: Rates | None) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    """The kinds whose rates are not the same."""
    before, after = (rates.decimals() if rates else {} for rates in (old, new))
    return {kind: (before.get(kind), after.get(kind)) for kind in Rates._fields if before.get(kind) != after.get(kind)}
