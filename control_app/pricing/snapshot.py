"""What is published, from what the annotations say and what the price book holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import structlog

from control_app.core.time import microseconds, time_of
from control_app.pricing import documents
from control_app.pricing.book import GRACE, Book, Standing
from control_app.pricing.bounds import Bounds
from control_app.pricing.documents import Documents
from control_app.pricing.dollars import currency_of_lists, listed_in_dollars
from control_app.pricing.listing import copies, listed, withheld
from control_app.pricing.offers import AnnotationError, Model, Offer, parse_offer
from control_app.pricing.port import SheetWriter
from control_app.pricing.proven import Proven, published
from control_app.pricing.rates import FREE, Rates, resolve

log = structlog.stdlib.get_logger("control_app.catalog")


@dataclass(frozen=True)
class Change:
    """A model that is not sold as its annotation says.

    `pending`: a price waits for a person, `since` then; `broken`: the annotation offers nothing good; `removed`: the `Model` is
    gone; `ended`: it is annotated again after a person ended its sale; `over`: its sale ended by itself. `prices`: by kind, with the
    fallbacks applied, the published one and the new one; None where there is none.
    """

    model: str
    state: Literal["pending", "broken", "removed", "ended", "over"]
    reason: str
    prices: Mapping[str, tuple[Decimal | None, Decimal | None]]
    since: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """The catalog as it was read `at` (UTC).

    `offers`: listed, with the price in force; `withheld`: why there is no list to publish, None where there is one, if an empty
    one; `problems`: by model, or by `""` for all of them; `rates`: of the models in the gateway's sheet, with explicit zeros where
    a sale ended, in the price book's currency, and `sheet_rates` in dollars, as the sheet has them. `lists_in`: the currency of the
    lists, with the rate by which they are in it. `asleep`: models without a replica, which none of them needs.
    """

    offers: Sequence[Offer]
    withheld: str | None
    problems: Mapping[str, str]
    changes: Sequence[Change]
    rates: Mapping[str, Rates]
    sheet_rates: Mapping[str, Rates]
    lists_in: str
    documents: Documents
    asleep: Collection[str]
    at: datetime


def take(  # noqa: PLR0913, PLR0917 (as much as a snapshot is made of)
    models: Sequence[Model], known: Mapping[str, Standing], book: Book, write_sheet: SheetWriter, at: datetime, proven: Proven = None
) -> Snapshot:
    """The snapshot of *models*; what is new in them goes into *book*. Of the offers, those are published that are *proven*.

    *known* was read from the book before the models: what another process writes since then is left to the next reading.
    """
    by_name = {model.name: model for model in sorted(models, key=lambda model: model.name)}
    good, problems = _annotated(by_name, known, book.bounds)
    standings = _notice(by_name, good, known, book, microseconds(at))
    in_force = {name: _freshest(good.get(name), standing.offer) for name, standing in standings.items() if standing.offer}
    offers = listed(in_force.values(), known)
    problems |= {name: _copied(in_force[name], owner) for name, owner in copies(in_force.values(), known).items()}
    names = {offer.model for offer in offers}
    problems = {name: f"{problem}; {_outlook(standings.get(name) if name in names else None)}" for name, problem in problems.items()}
    over = {name: standing.features for name, standing in standings.items() if standing.is_over}
    zeros = dict.fromkeys(over, FREE)
    in_dollars = {name: listed_in_dollars(offer, book.dollars) for name, offer in in_force.items()}
    return Snapshot(
        offers=offers,
        withheld=withheld(offers, standings, problems),
        problems=problems,
        changes=[*_changes(standings, problems, by_name)],
        rates={name: resolve(offer.prices) for name, offer in in_force.items()} | zeros,
        sheet_rates={name: resolve(offer.prices) for name, offer in in_dollars.items()} | zeros,
        lists_in=currency_of_lists(book.bounds.currency, book.dollars),
        documents=documents.render(
            published([in_dollars[offer.model] for offer in offers], proven), write_sheet(in_dollars.values(), over)
        ),
        asleep={model.name for model in models if model.is_asleep},
        at=at,
    )


def _annotated(models: Mapping[str, Model], known: Mapping[str, Standing], bounds: Bounds) -> tuple[dict[str, Offer], dict[str, str]]:
    """Good annotations by model, and what is wrong with the others, those that were sold and are gone included."""
    good: dict[str, Offer] = {}
    problems: dict[str, str] = {}
    for name in sorted({*models, *known}):
        model, standing = models.get(name), known.get(name)
        if (model is None or model.annotation is None) and (standing is None or standing.offer is None):
            continue  # never was for sale, or is no more
        try:
            good[name] = parse_offer(_there(model), bounds)
        except AnnotationError as error:
            problems[name] = str(error)
    # A broken model, and one that is gone, holds the id of its last good offer.
    held = [standing.offer for name, standing in known.items() if name not in good and standing.offer]
    for name, owner in copies([*good.values(), *held], known).items():
        if offer := good.pop(name, None):
            problems[name] = _copied(offer, owner)
    return good, problems


def _there(model: Model | None) -> Model:
    if model is None:
        raise AnnotationError("the Model is gone")
    return model


def _copied(offer: Offer, owner: str) -> str:
    return f"the id {offer.document['id']!r} is another model's too, {owner}'s; give it one of its own, or end the sale of {owner}"


def _outlook(listed_as: Standing | None) -> str:
    """What becomes of a model with a problem; None: it is not listed."""
    if listed_as is None:
        return "the model is not for sale"
    stays = "the last good one stays in force"
    if listed_as.lapse is None:
        return stays
    return f"{stays} until {time_of(listed_as.lapse.since) + GRACE:%Y-%m-%d %H:%M} UTC, or until a person ends the sale"


def _notice(
    models: Mapping[str, Model], good: Mapping[str, Offer], known: Mapping[str, Standing], book: Book, now: int
) -> dict[str, Standing]:
    """How every model stands after its annotation was noticed."""
    standings: dict[str, Standing] = {}
    for name in sorted({*models, *known}):
        seen, offer = known.get(name), good.get(name)
        stands = seen
        if (seen and not seen.holds(offer, now)) or (seen is None and offer):
            stands = book.notice(models.get(name, Model(name, None)), offer, seen)
        if stands:
            _log(name, seen, stands)
            standings[name] = stands
    return standings


def _log(name: str, before: Standing | None, after: Standing) -> None:
    if after.offer and (before is None or before.offer != after.offer):
        log.info("offer accepted", model=name, prices={kind: str(price) for kind, price in after.offer.prices.items()})
    if after.pending and (before is None or before.pending != after.pending):
        log.warning("price waits for a person", model=name, why=after.pending.why, changed=after.pending.changed)
    if after.is_over and before and not before.is_over:
        log.warning("sale ended", model=name)


def _freshest(annotated: Offer | None, in_force: Offer) -> Offer:
    """The annotation's own offer where it is the one in force: it has the warnings of today's model."""
    return annotated if annotated == in_force and annotated else in_force


def _changes(standings: Mapping[str, Standing], problems: Mapping[str, str], models: Mapping[str, Model]) -> Iterator[Change]:
    for name in sorted({*standings, *problems}):
        standing = standings.get(name)
        rates = standing.rates if standing else None
        if standing and standing.pending:
            state: Literal["pending", "ended"] = "ended" if standing.is_over else "pending"
            changed = f"; the annotation was changed by {standing.pending.changed}" if standing.pending.changed else ""
            prices = _against(rates, resolve(standing.pending.offer.prices))
            yield Change(name, state, f"{standing.pending.why}{changed}", prices, time_of(standing.pending.since))
        elif name in problems:
            yield Change(name, "broken" if name in models else "removed", problems[name], _against(rates, None))
        elif rates and name not in models:
            yield Change(name, "removed", "the Model is gone, and its last offer cannot be read", _against(rates, None))
        elif standing and standing.is_over and not standing.is_ended:
            reason = f"its annotation was broken or gone for {GRACE.days} days, and its sale ended; say that it is meant, or annotate it"
            yield Change(name, "over", reason, {}, time_of(standing.effective_from))


def _against(old: Rates | None, new: Rates | None) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    """The kinds whose rates are not the same."""
    before, after = (rates.decimals() if rates else {} for rates in (old, new))
    return {kind: (before.get(kind), after.get(kind)) for kind in Rates._fields if before.get(kind) != after.get(kind)}
