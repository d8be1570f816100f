"""One self-contained HTML page about a run, and the drawings in it."""
