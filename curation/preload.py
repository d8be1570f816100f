"""Importing this module loads or compiles all that verification compiles.

For the process that workers are forked from: they inherit the machine code. Without it each would
load it for itself (half a second), or compile it (some seconds) before numba's cache is filled.
"""

import numpy as np

from curation.verification import verify_one_to_many, verify_pair
from curation.verification_settings import VerificationSettings
from manifests.features import DESCRIPTOR_BYTES, LocalFeatures, pack_geometry


def _draw_features() -> LocalFeatures:
    rng = np.random.default_rng(0)
    descriptors = rng.integers(0, 128, (100, DESCRIPTOR_BYTES), np.uint8)
    xy = rng.uniform(0, 500, (100, 2))
    return LocalFeatures(descriptors, pack_geometry(xy, np.full(100, 8.0), np.zeros(100)), 500, 500)


# Two looks, the second of which compares what the first has not; then all descriptors.
_SETTINGS = VerificationSettings.model_validate(
    {"cascade": {"mode": "reject_early", "num_features": 64, "share": 0}}
)
verify_pair(_draw_features(), _draw_features(), _SETTINGS)
list(verify_one_to_many(_draw_features(), [_draw_features()], _SETTINGS))
