"""SIFT of pycolmap (VLFeat), which can start at the image itself or at its double."""

from collections.abc import Callable

import numpy as np
import pycolmap
from numpy.typing import NDArray

from curation.images import resize_long_side, to_grey
from curation.sift import root_sift
from manifests.features import LocalFeatures, pack_geometry

_DIAMETER_PER_SCALE = 2.0
"""Ours are OpenCV's diameters, twice the scale at which a key point is found."""


def make_colmap_extractor(
    long_side_px: int, max_features: int, first_octave: int
) -> Callable[[NDArray[np.uint8]], LocalFeatures]:
    """A function from RGB pixels (height, width, 3) to features in the form of ours.

    VLFeat writes coarse octaves first, and its order says nothing else about strength.
    """
    options = pycolmap.FeatureExtractionOptions()
    options.use_gpu = False
    options.num_threads = 1
    options.sift.max_num_features = max_features
    options.sift.first_octave = first_octave
    # RootSIFT is made by our own function, of plain histograms.
    options.sift.normalization = pycolmap.Normalization.L2
    sift = pycolmap.Sift(options, pycolmap.Device.cpu)

    def extract(pixels: NDArray[np.uint8]) -> LocalFeatures:
        grey = resize_long_side(to_grey(pixels), long_side_px)
        height, width = grey.shape
        keypoints, descriptors = sift.extract(np.ascontiguousarray(grey))
        # COLMAP counts from the corner of the first pixel, OpenCV from its centre.
        xy = np.clip(keypoints[:, :2] - 0.5, 0, [width - 1, height - 1])
        size = np.maximum(_DIAMETER_PER_SCALE * keypoints[:, 2], 1.0)
        geometry = pack_geometry(xy, size, keypoints[:, 3])
        coarse_first = np.argsort(-size, kind="stable")
        quantised = root_sift(descriptors)[coarse_first]
        features = LocalFeatures(quantised, geometry[coarse_first], width, height)
        # The library's limit counts places; each may have several orientations.
        return features.take_strongest(max_features)

    return extract
