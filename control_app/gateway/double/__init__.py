"""A gateway in memory, for tests, benchmarks and a laptop."""
