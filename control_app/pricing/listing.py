"""Which models are listed for buyers, and when an empty list would be a lie."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from control_app.pricing.book import Standing
from control_app.pricing.offers import Offer


def listed(in_force: Iterable[Offer], known: Mapping[str, Standing]) -> list[Offer]:
    """The offers *in_force* that are published, one for each id. Those of models that are broken or gone are among them.

    *known*: how the models stood before.
    """
    offers = list(in_force)
    taken = copies(offers, known)
    return [offer for offer in offers if offer.model not in taken]


def copies(offers: Iterable[Offer], known: Mapping[str, Standing]) -> dict[str, str]:
    """Models that offer another one's id, with that other one: the model of that name, else the one that had it first.

    A buyer could not tell which price holds.
    """

    def claim(offer: Offer) -> tuple[bool, bool]:
        standing = known.get(offer.model)
        had = standing is not None and standing.offer is not None and standing.offer.called == offer.called
        return offer.called != offer.model, not had

    owners: dict[str, str] = {}
    claims = sorted(offers, key=claim)
    for offer in claims:
        owners.setdefault(offer.called, offer.model)
    return {offer.model: owner for offer in claims if (owner := owners[offer.called]) != offer.model}


def withheld(offers: Collection[Offer], standings: Mapping[str, Standing], problems: Collection[str]) -> str | None:
    """Why no list can be published, where *offers* is empty and that is neither a person's doing nor a first start; else None.

    Buyers hide a model that a list leaves out, and nothing unhides it. *problems*: models whose annotations are broken or gone.
    """
    if offers:
        return None
    lost = {name for name, standing in standings.items() if standing.version is not None and not standing.is_ended}
    if names := sorted(lost | set(problems)):
        said = f"{', '.join(names[:5])}{' and others' if len(names) > 5 else ''}"  # noqa: PLR2004
        return f"no list: nothing of what was sold can be read ({said}); correct the annotations, or end the sales one by one"
    return None
