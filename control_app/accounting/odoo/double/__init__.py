"""An Odoo in a file, for tests, benchmarks and a laptop; it keeps the traps of the real one."""
