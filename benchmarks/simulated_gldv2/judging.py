"""What a verifier would say in the simulated world, many pairs at a time."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.feature_store import FeatureStore
from manifests.gldv2_metadata import parse_ids
from manifests.id_arrays import Ids, unpack_ids
from manifests.rows import PairReason, PairVerdict
from pipelines.pair_verification import EVIDENCE_SCHEMA
from pipelines.settings import VerifySettings
from simulated_gldv2.world import Numbers, World, draw_uniform, mix

CHANCE_INLIERS = (4, 13)
"""Of images that have nothing in common."""
SURFACE_INLIERS = (5, 160)
"""Of images of one place."""
_INLIERS = tuple(zip(SURFACE_INLIERS, CHANCE_INLIERS, strict=True))
_FLOATS_OF_AFFINE = 6
_VERDICTS = (PairVerdict.REJECTED, PairVerdict.VERIFIED, PairVerdict.DUPLICATE)
_REASONS = (
    PairReason.FEW_AMONG_STRONGEST,
    PairReason.TOO_FEW_INLIERS,
    PairReason.ENOUGH_INLIERS,
    PairReason.NEAR_DUPLICATE,
    PairReason.NO_FEATURES,
)
_FEW, _BELOW, _ENOUGH, _COPY, _NOTHING = range(len(_REASONS))


@dataclass(frozen=True)
class SimulatedJudge:
    """A `PairJudge` that knows what the photographs show; it looks at no feature."""

    world: World

    def __call__(
        self, features: FeatureStore, ids_a: Ids, ids_b: Ids, settings: VerifySettings
    ) -> pa.Table:
        """Judge n pairs; see `PairJudge`."""
        a, b = find_numbers(self.world, ids_a), find_numbers(self.world, ids_b)
        del features
        pairs = mix(self.world.keys(a), 20) ^ self.world.keys(b)
        num_inliers, reasons = self._judge(a, b, pairs, settings.min_inliers)
        has_model = reasons != _FEW
        has_model &= reasons != _NOTHING
        verdicts = np.select([reasons == _ENOUGH, reasons == _COPY], [1, 2], 0)
        columns = {
            "num_tentative": num_inliers + (num_inliers * draw_uniform(pairs, 21)).astype(int),
            "num_inliers": num_inliers,
            "model": _name(np.where(has_model, 0, -1), ("affine",)),
            "transform": _draw_transforms(pairs, has_model),
            "verdict": _name(verdicts, _VERDICTS),
            "reason": _name(reasons, _REASONS),
        }
        return pa.table(columns, schema=EVIDENCE_SCHEMA)

    def _judge(
        self, a: Numbers, b: Numbers, pairs: NDArray[np.uint64], min_inliers: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        world = self.world
        # Of a pair of one class a copy shows what its source shows.
        is_same = world.places(world.sources(a)) == world.places(world.sources(b))
        is_copy = world.pictures(a) == world.pictures(b)
        low, high = (np.where(is_same, *ends) for ends in _INLIERS)
        num_inliers = (low + (high - low) * draw_uniform(pairs, 22)).astype(np.int32)
        num_inliers[is_copy] = 200
        has_none = (world.num_features(a) == 0) | (world.num_features(b) == 0)
        num_inliers[has_none] = 0
        reasons = np.where(num_inliers >= min_inliers, _ENOUGH, np.where(is_same, _BELOW, _FEW))
        reasons[is_copy] = _COPY
        reasons[has_none] = _NOTHING
        return num_inliers, reasons.astype(np.int8)


def find_numbers(world: World, ids: Ids) -> Numbers:
    """The numbers of images."""
    keys, _ = parse_ids(unpack_ids(ids))
    return world.numbers(keys)


def _name(codes: NDArray[np.integer], names: tuple[str, ...]) -> pa.Array:
    values = pa.array([str(name) for name in names])
    return values.take(pa.array(codes, mask=codes < 0))


def _draw_transforms(pairs: NDArray[np.uint64], is_there: NDArray[np.bool_]) -> pa.Array:
    """Affine models that are no more regular than true ones, so that files have a true size."""
    count = int(is_there.sum())
    seeds = np.repeat(pairs[is_there], _FLOATS_OF_AFFINE)
    seeds ^= np.tile(np.arange(_FLOATS_OF_AFFINE, dtype=np.uint64), count)
    values = draw_uniform(seeds, 23).astype(np.float32)
    offsets = np.r_[0, np.cumsum(is_there * _FLOATS_OF_AFFINE)].astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), mask=pa.array(~is_there))
