"""Fetching data sets: resumable, checked, recorded in a ledger beside the data. No Beam here."""
