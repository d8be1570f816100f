"""The matches of whole classes, and their images, as the stages after verification judge them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.duplicates import DuplicateGroups, ImageFile, group_duplicates
from manifests.arrow_schemas import MATCHES
from manifests.feature_store import FeatureStore
from manifests.id_arrays import pack_ids
from manifests.parquet_io import read_table
from manifests.rows import PairVerdict
from pipelines.manual_verdicts import ManualVerdicts
from pipelines.run_tables import UsableImages

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


def is_accepted(matches: pa.Table) -> pa.ChunkedArray:
    """Which rows the verifier has not rejected."""
    return pc.not_equal(matches["verdict"], PairVerdict.REJECTED.value)


class ClassMatches:
    """Rows of the table `matches` by class.

    Args:
        parts: the parts that hold the classes, and maybe pieces of others.
        columns: what to read; `landmark_id` and `verdict` among them.
        classes: the classes wanted.
        choose: which rows to keep, bool each. Parts are read one by one, and what is not kept is
            forgotten before the next.
        manual: what people say of pairs of these classes, in the place of the verdicts. If they
            say anything, `image_id_a`, `image_id_b` and `num_inliers` must be read too.
    """

    def __init__(
        self,
        parts: Sequence[Path],
        columns: Sequence[str],
        classes: Sequence[int],
        choose: Callable[[pa.Table], pa.ChunkedArray],
        manual: ManualVerdicts,
    ) -> None:
        wanted = pa.array(classes, pa.int64())
        found = [read_table([], MATCHES, columns)]
        for part in parts:
            rows = manual.overrule(read_table(part, MATCHES, columns))
            is_wanted = pc.is_in(rows["landmark_id"], wanted)
            found.append(rows.filter(pc.and_(is_wanted, choose(rows))))
        table = pa.concat_tables(found)
        # Stable: the rows of a class stay in the order of the parts.
        order = np.argsort(table["landmark_id"].to_numpy(), kind="stable")
        self._table = table.take(pa.array(order))
        self._landmark_ids = self._table["landmark_id"].to_numpy()

    def of_class(self, landmark_id: int) -> pa.Table:
        """The rows of one class."""
        first, last = np.searchsorted(self._landmark_ids, [landmark_id, landmark_id + 1])
        return self._table.slice(first, last - first)


@dataclass(frozen=True, eq=False)
class JudgedClass:
    """The usable images of a class, by ascending id, and its accepted pairs.

    Attributes:
        landmark_id: the class.
        images: of the run.
        rows: those of the class among them.
        is_described: whether each image has local features, or the word of a person that it shows
            what another shows, bool (n,).
        accepted: rows of the table `matches`, none of them rejected.
    """

    landmark_id: int
    images: UsableImages
    rows: slice
    is_described: Mask
    accepted: pa.Table

    @classmethod
    def open(
        cls,
        landmark_id: int,
        images: UsableImages,
        features: FeatureStore,
        accepted: pa.Table,
        manual: ManualVerdicts,
    ) -> "JudgedClass":
        """Look up the images of a class."""
        rows = images.rows_of_class(landmark_id)
        ids = images.image_ids[rows]
        is_described = (features.count_features(ids) > 0) | manual.vouches_for(ids)
        return cls(landmark_id, images, rows, is_described, accepted)

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the images."""
        return self.images.list_ids(self.rows)

    @cached_property
    def first(self) -> Numbers:
        """Position of the smaller id of each accepted pair."""
        return self.locate(self.accepted["image_id_a"])

    @cached_property
    def second(self) -> Numbers:
        """Position of the larger id of each accepted pair."""
        return self.locate(self.accepted["image_id_b"])

    @cached_property
    def num_inliers(self) -> Numbers:
        """Of each accepted pair."""
        counts: Numbers = self.accepted["num_inliers"].to_numpy().astype(np.int64)
        return counts

    def locate(self, image_ids: pa.ChunkedArray) -> Numbers:
        """Positions of ids.

        Raises:
            ValueError: an id is not of the class.
        """
        ids = pack_ids(image_ids)
        own = self.images.image_ids[self.rows]
        places = np.minimum(np.searchsorted(own, ids), max(0, len(own) - 1))
        if len(ids) and not (len(own) and (own[places] == ids).all()):
            unknown = np.setdiff1d(ids, own)[0].decode()
            raise ValueError(
                f"image {unknown} has matches in class {self.landmark_id} but is not in it: the "
                "tables of images and of matches are not of one run; verify again"
            )
        return places

    @cached_property
    def duplicates(self) -> DuplicateGroups:
        """Groups of copies, by equal bytes and by the verifier."""
        digests = self.images.digests[self.rows]
        _, inverse, counts = np.unique(digests[:, 0], return_inverse=True, return_counts=True)
        may_be_copy = counts[inverse] > 1
        is_copy = pc.equal(self.accepted["verdict"], PairVerdict.DUPLICATE.value).to_numpy()
        pairs = self.first[is_copy], self.second[is_copy]
        may_be_copy[np.concatenate(pairs)] = True
        if not may_be_copy.any():
            return DuplicateGroups()
        files = [self._describe_file(place) for place in np.flatnonzero(may_be_copy).tolist()]
        return group_duplicates(
            files, ((self.ids[a], self.ids[b]) for a, b in zip(*pairs, strict=True))
        )

    def _describe_file(self, place: int) -> ImageFile:
        row = self.rows.start + place
        images = self.images
        return ImageFile(
            self.ids[place],
            images.digests[row].tobytes().hex(),
            int(images.widths[row]),
            int(images.heights[row]),
        )
