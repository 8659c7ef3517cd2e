"""Numbers that are not to be taken for each other, each with a type of its own."""

from __future__ import annotations

from typing import NewType

CustomerNo = NewType("CustomerNo", int)
"""Our number of a customer; 0 is nobody, who holds the keys that no customer holds."""
KeyNo = NewType("KeyNo", int)
"""Our number of a virtual key."""
Month = NewType("Month", int)
"""A calendar month, UTC: year * 12 + month - 1, so that the next month is one more."""
Pico = NewType("Pico", int)
"""An amount in pico-units, 10^-12 of its currency."""
Minor = NewType("Minor", int)
"""An amount in minor units of its currency, cents say."""

NOBODY_NO = CustomerNo(0)
"""Who holds the keys that no customer holds."""
