"""The service, put together from its settings."""
