"""People's answers in the place of the verifier's verdicts, where classes are judged.

The table `matches` stays what the verifier said.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.id_arrays import Ids, encode_ids
from manifests.manual_answers import ManualAnswer
from manifests.rows import PairVerdict

_ID_COLUMNS = ("image_id_a", "image_id_b")


class ManualVerdicts:
    """What people say of pairs of some classes.

    Args:
        answers: the ids of each pair, the smaller one first, and the answer; each pair once.
        min_inliers: inliers that the cleaning asks of a verified pair. A pair with the answer
            `same` counts as having that many at least.
    """

    def __init__(self, answers: Iterable[Sequence[str]] = (), min_inliers: int = 0) -> None:
        pairs: dict[str, set[tuple[str, str]]] = {answer: set() for answer in ManualAnswer}
        for image_id_a, image_id_b, answer in answers:
            pairs[answer].add((image_id_a, image_id_b))
        self._same = pairs[ManualAnswer.SAME]
        self._different = pairs[ManualAnswer.DIFFERENT]
        self._min_inliers = min_inliers

    def vouches_for(self, ids: Ids) -> NDArray[np.bool_]:
        """Which images show the surface of another by the word of a person, bool each."""
        return np.isin(ids, encode_ids([image_id for pair in self._same for image_id in pair]))

    def overrule(self, matches: pa.Table) -> pa.Table:
        """Let the answers stand in for the verdicts.

        `different` is a rejection, of copies too. `same` is a verification; copies stay copies.

        Args:
            matches: rows of the table `matches` with the columns `num_inliers` and `verdict`.
        """
        if not (self._same or self._different):
            return matches
        verdicts, num_inliers = matches["verdict"], matches["num_inliers"]
        is_copy = pc.equal(verdicts, PairVerdict.DUPLICATE.value)
        is_same = pc.and_not(_are_among(matches, self._same), is_copy)
        is_different = _are_among(matches, self._different)
        verdicts = pc.if_else(is_same, PairVerdict.VERIFIED.value, verdicts)
        verdicts = pc.if_else(is_different, PairVerdict.REJECTED.value, verdicts)
        enough = pc.max_element_wise(num_inliers, pa.scalar(self._min_inliers, num_inliers.type))
        num_inliers = pc.if_else(is_same, enough, num_inliers)
        return _replace(_replace(matches, "verdict", verdicts), "num_inliers", num_inliers)

    def find_answered(self, matches: pa.Table) -> pa.Array:
        """Which rows of the table `matches` somebody has answered on, bool each."""
        return _are_among(matches, self._same | self._different)


def _are_among(matches: pa.Table, pairs: Collection[tuple[str, str]]) -> pa.Array:
    """Which rows are of one of some pairs."""
    if not pairs:
        return pa.array(np.zeros(len(matches), np.bool_))
    is_candidate = np.ones(len(matches), np.bool_)
    # Column by column first, so that few of a million rows become Python objects.
    for place, column in enumerate(_ID_COLUMNS):
        ids = pa.array([pair[place] for pair in pairs], pa.string())
        is_candidate &= pc.is_in(matches[column], ids).to_numpy()
    found = np.zeros(len(matches), np.bool_)
    places = np.flatnonzero(is_candidate)
    rows = matches.select(_ID_COLUMNS).take(pa.array(places)).to_pylist()
    found[places] = [(row["image_id_a"], row["image_id_b"]) in pairs for row in rows]
    return pa.array(found)


def _replace(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name), column)
