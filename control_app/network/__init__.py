"""How other programs' answers are read."""
