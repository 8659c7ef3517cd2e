"""`control`: the service's command line, for people who live in a shell."""
