"""A simulated GLDv2 of any size: what stages before verification would leave, and a verifier."""
