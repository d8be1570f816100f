"""The stages, one file each: `plan` lists units, `run` does one. No Beam here."""
