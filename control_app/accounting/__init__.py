"""The accounting system as invoicing asks it, and Odoo behind it."""
