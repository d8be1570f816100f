"""Overlap certificates: what was compared with what, how well, and what came out, to be checked."""
