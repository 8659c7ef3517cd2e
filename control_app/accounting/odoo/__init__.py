"""Odoo behind the accounting port: its JSON-2 API, its settings and our keys to it."""
