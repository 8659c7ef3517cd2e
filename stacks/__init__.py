"""Locations as data, and the Terraform stack that each of them becomes."""
