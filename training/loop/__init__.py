"""The loop of the trainer: processes, steps, state, validation, and what is shown meanwhile."""
