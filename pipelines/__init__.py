"""Beam and nothing but wiring: work units, stages, runners, the run folder, progress."""
