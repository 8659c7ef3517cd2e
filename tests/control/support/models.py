"""Models for tests: the mission's example, and changes of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from control_app.pricing.offers import Model
from control_app.service.settings import EXAMPLES

NAME = "qwen25-05b-instruct"
EXAMPLE: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{NAME}.yaml").read_text())
ANNOTATION: dict[str, Any] = json.loads(EXAMPLE["metadata"]["annotations"]["openrouter.ai/json"])


def annotated(**changes: Any) -> dict[str, Any]:
    """The example's annotation with *changes*; a change to None removes the key."""
    document = copy.deepcopy(ANNOTATION)
    for key, value in changes.items():
        if value is None:
            del document[key]
        else:
            document[key] = value
    return document


def priced(**changes: Any) -> dict[str, Any]:
    """The example's annotation with changed prices; None removes one."""
    document = copy.deepcopy(ANNOTATION)
    pricing = {**document["pricing"], **changes}
    document["pricing"] = {kind: price for kind, price in pricing.items() if price is not None}
    return document


def model(document: dict[str, Any] | str | None = None, name: str = NAME, **fields: Any) -> Model:
    """A model with *document* as its annotation (text as it is); default: the example's."""
    text = document if isinstance(document, str) else json.dumps(ANNOTATION if document is None else document)
    return Model(name=name, annotation=text, **fields)


def write(folder: Path, document: dict[str, Any] | str | None, name: str = NAME) -> None:
    """Write a Model's YAML file; without *document* it has no annotation."""
    manifest = copy.deepcopy(EXAMPLE)
    manifest["metadata"]["name"] = name
    if document is None:
        del manifest["metadata"]["annotations"]
    else:
        manifest["metadata"]["annotations"]["openrouter.ai/json"] = document if isinstance(document, str) else json.dumps(document)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(manifest))
