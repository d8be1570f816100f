"""Readers of evaluation sets, one file format each."""
