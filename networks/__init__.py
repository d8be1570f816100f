"""Torch modules: backbones, pooling, heads and checkpoints. They may import `manifests` only."""
