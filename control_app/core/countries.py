"""Countries by their ISO 3166 codes, as far as taxes tell them apart."""

from __future__ import annotations

EU = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    }
)
"""Members of the European Union, whose firms are billed without tax by their VAT numbers."""
