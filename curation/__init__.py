"""The decisions, as plain functions: shards, images, features, verification, cleaning, overlap."""
