"""The SQLite database, its replica and its copies, whatever tables are in it."""
