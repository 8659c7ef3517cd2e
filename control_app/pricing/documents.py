"""What is published, as bytes: rendered once when the models were read, and served from memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import simplejson

from control_app.pricing import openrouter
from control_app.pricing.offers import Offer


@dataclass(frozen=True)
class Document:
    """JSON, and the strong entity tag of these very bytes, without quotes."""

    body: bytes
    tag: str


@dataclass(frozen=True)
class Documents:
    """The list in OpenRouter's flat format and in its current schema, and the gateway's sheet."""

    flat: Document
    current: Document
    sheet: Document


def render(offers: Iterable[Offer], sheet: str) -> Documents:
    """The documents of *offers*, and the text of the gateway's *sheet*."""
    offers = list(offers)
    return Documents(
        flat=_document(_list([offer.document for offer in offers])),
        current=_document(_list([openrouter.document(offer) for offer in offers])),
        sheet=_document(sheet),
    )


def _list(documents: list[Any]) -> str:
    return simplejson.dumps({"data": documents}, use_decimal=True)


def _document(text: str) -> Document:
    body = f"{text}\n".encode()
    return Document(body, hashlib.sha256(body).hexdigest()[:32])
