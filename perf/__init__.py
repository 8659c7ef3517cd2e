"""Benchmarks: `make bench`, `make bench ONLY=<row>`. What each row means is in this folder's README."""
