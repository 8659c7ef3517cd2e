"""Odoo's numbers: binary, and rounded half away from zero with an epsilon for what was cut off before."""

from __future__ import annotations

import math

MANTISSA = 52
"""Bits that a binary number of double precision keeps."""


def rounded(value: float, digits: int) -> float:
    """*value* in *digits* decimals; 0.005, which is a little less in binary, goes up all the same."""
    if not value:
        return 0.0
    scaled = abs(value) * 10**digits
    whole = math.floor(scaled + 2 ** (math.log2(scaled) - MANTISSA) + 0.5)
    return math.copysign(whole / 10**digits, value)
