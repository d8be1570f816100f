"""The inner loops of verification, compiled when first used: nothing here knows an image."""
