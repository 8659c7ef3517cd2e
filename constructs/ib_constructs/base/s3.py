"""A bucket outside the location, which backups go to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """An S3 bucket. `endpoint`: its URL; `folder`: the location's own in it; the keys are references to variables."""

    endpoint: str
    name: str
    region: str
    folder: str
    access_key: str
    secret_key: str
