"""The verb `evaluate`: sets and embedders opened, evaluated, and written down."""
