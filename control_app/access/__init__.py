"""Whose key a caller shows."""
