"""HTTP: the JSON API, the pages, and what all answers share."""
