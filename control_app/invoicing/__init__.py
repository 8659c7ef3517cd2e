"""Invoices: what a customer owes for a month, and how that comes into the accounting system once, whatever fails."""
