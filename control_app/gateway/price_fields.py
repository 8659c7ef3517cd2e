"""What Bifrost calls each price kind: in the sheet that it reads, and as columns of its price table."""

from __future__ import annotations

from collections.abc import Mapping

FIELDS: Mapping[str, str] = {
    "prompt": "input_cost_per_token",
    "completion": "output_cost_per_token",
    "input_cache_read": "cache_read_input_token_cost",
    "input_cache_write": "cache_creation_input_token_cost",
    "internal_reasoning": "output_cost_per_reasoning_token",
    "request": "cost_per_request",
}
"""Every kind of control_app/pricing/kinds.py, to which a test holds it; why not there: docs/decisions/0016-one-table-of-price-kinds.md."""
