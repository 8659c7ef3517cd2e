"""A location file, read and checked."""
