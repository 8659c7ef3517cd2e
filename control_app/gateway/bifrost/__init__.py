"""Bifrost behind the gateway's port: by its management API, and by its own database."""
