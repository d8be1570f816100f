"""Where the units of a stage run: one small module per engine, and the settings of all.

An engine makes options for Beam and runs one pipeline per step, that of `pipelines.transforms`. It
knows nothing of images; a stage knows nothing of engines.
"""
