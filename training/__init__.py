"""The trainer and the evaluation protocols. They may import `networks`, `manifests`, `curation`."""
