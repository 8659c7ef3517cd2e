"""Odoo as the accounting system: its JSON-2 API, what must be set there, and a double that keeps its traps."""
