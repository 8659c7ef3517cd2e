"""What was used: every billed row once, with its price, its customer and its amount, and whether anything is missing."""
