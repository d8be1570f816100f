"""From images to rankings: description, search, re-ranking, and the data of the report."""
