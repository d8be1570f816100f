"""Published splits in the formats of other programs."""
