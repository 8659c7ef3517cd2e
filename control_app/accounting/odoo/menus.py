"""Where a person finds in Odoo what is to be set, in the words of its menus.

The app for invoices is called Accounting in Enterprise and Invoicing in Community; some menus are there in developer mode only.
"""

from __future__ import annotations

from dataclasses import dataclass

ENTERPRISE = "+e"
"""How the version of Odoo Enterprise ends."""
DEVELOPER = "in developer mode (Settings > General Settings > Developer Tools > Activate the developer mode)"
USERS = "Settings > Users & Companies > Users"
COMPANIES = "Settings > Users & Companies > Companies"
PARAMETERS = f"Settings > Technical > System Parameters, {DEVELOPER}"
FIELDS = f"Settings > Technical > Fields, {DEVELOPER}"
MAIL_SERVERS = f"Settings > Technical > Outgoing Mail Servers, {DEVELOPER}"
KEYS = "log in as the API user, then the menu at its name > My Preferences > Security > New API Key"


@dataclass(frozen=True)
class Menus:
    """Those of the app for invoices, in an Odoo of *version*."""

    version: str

    @property
    def app(self) -> str:
        """Its name."""
        return "Accounting" if self.version.endswith(ENTERPRISE) else "Invoicing"

    @property
    def currencies(self) -> str:
        """Currencies and their rates."""
        return f"{self.app} > Configuration > Currencies"

    @property
    def journals(self) -> str:
        """Journals."""
        return f"{self.app} > Configuration > Journals"

    @property
    def taxes(self) -> str:
        """Taxes."""
        return f"{self.app} > Configuration > Taxes"

    @property
    def products(self) -> str:
        """What is sold."""
        return f"{self.app} > Customers > Products"

    @property
    def settings(self) -> str:
        """Settings of the app."""
        return f"{self.app} > Configuration > Settings"
