"""What a synthesised location consists of, told to people: a table, a picture, sizes."""
