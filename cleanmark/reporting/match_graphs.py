"""Match graphs of chosen classes: photographs joined by the pairs that the verifier accepted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cleanmark.reporting.classes import ClassRow, spread
from cleanmark.reporting.graph_choice import ChosenClass, GraphSettings, choose_classes
from cleanmark.reporting.graph_layout import Layout, lay_out
from cleanmark.reporting.pictures import (
    Picture,
    PictureInliner,
    TrainingImages,
    open_training_images,
)
from cleanmark.reporting.tables import read_parts, read_verdicts_of
from manifests.arrow_schemas import MATCHES
from manifests.rows import MEANINGS, ImageReason, PairVerdict
from pipelines.run_config import RunConfig
from pipelines.stages.verify import Verify

_COLUMNS = ("landmark_id", "image_id_a", "image_id_b", "num_inliers", "verdict")
_THINNEST, _THICKEST = 0.8, 5.0
_FULL_INLIERS = 400
"""Pairs with so many inliers, or more, have the thickest line."""


@dataclass(frozen=True)
class GraphNode:
    """A photograph.

    Attributes:
        x: of its centre, in pixels.
        y: likewise.
        picture: of it.
        kept: by the cleaning.
        title: what became of it, in words.
        label: its verified neighbours.
        miss: most inliers of its rejected pairs, in words; empty for a kept photograph.
    """

    x: float
    y: float
    picture: Picture
    kept: bool
    title: str
    label: str
    miss: str


@dataclass(frozen=True)
class GraphEdge:
    """A pair: the centres of its photographs, how thick its line is, and what it is.

    Attributes:
        kind: `verified` or `duplicate`.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True)
class MatchGraphFigure:
    """A drawn class; the numbers tell how much of it there is."""

    chosen: ChosenClass
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    num_images: int
    num_accepted: int
    num_accepted_shown: int
    width: int
    height: int
    node_px: int


def draw_match_graphs(
    run_dir: Path,
    config: RunConfig,
    rows: Sequence[ClassRow],
    inliner: PictureInliner,
    settings: GraphSettings,
) -> list[MatchGraphFigure]:
    """Draw the match graphs of some classes.

    Args:
        run_dir: the run folder.
        config: of the run.
        rows: all classes.
        inliner: bounds the size of the pictures.
        settings: how many, and how large.
    """
    chosen = choose_classes(rows, settings)
    classes = [c.row.landmark_id for c in chosen]
    verdicts = read_verdicts_of(run_dir, classes)
    shown = {c: _choose_images(verdicts[c], settings) for c in classes}
    pairs = _read_pairs(run_dir, classes)
    ids = [row["image_id"] for of_class in shown.values() for row in of_class]
    training = open_training_images(run_dir, config.source.root, ids)
    drawer = _Drawer(training, inliner, config.clean.min_inliers, settings)
    return [
        drawer.draw(c, shown[c.row.landmark_id], pairs[pairs["landmark_id"] == c.row.landmark_id])
        for c in chosen
    ]


_Verdict = dict[str, Any]


def _choose_images(verdicts: Sequence[_Verdict], settings: GraphSettings) -> list[_Verdict]:
    """Kept images from the best confirmed to the least; dropped ones of every reason."""
    kept = sorted((v for v in verdicts if v["kept"]), key=lambda v: -v["num_verified_neighbours"])
    dropped = sorted((v for v in verdicts if not v["kept"]), key=lambda v: str(v["reason"]))
    return [*spread(kept, settings.max_kept), *spread(dropped, settings.max_dropped)]


def _read_pairs(run_dir: Path, classes: Sequence[int]) -> pd.DataFrame:
    """Pairs of some classes, as columns; the tables are read one part at a time."""
    wanted = pa.array(sorted(classes), pa.int64())
    parts = [
        part.filter(pc.is_in(part["landmark_id"], wanted)).to_pandas()
        for part in read_parts(run_dir, Verify.name, MATCHES, _COLUMNS)
    ]
    if not parts:
        return pd.DataFrame(columns=list(_COLUMNS))
    frame: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return frame.sort_values(
        ["num_inliers", "image_id_a", "image_id_b"], ascending=[False, True, True]
    )


@dataclass(frozen=True)
class _Drawer:
    training: TrainingImages
    inliner: PictureInliner
    threshold: int
    settings: GraphSettings

    def draw(
        self, chosen: ChosenClass, images: Sequence[_Verdict], pairs: pd.DataFrame
    ) -> MatchGraphFigure:
        """Draw one class from its images to be shown and all its pairs."""
        ids = {image["image_id"] for image in images}
        is_accepted = _is_accepted(pairs, self.threshold)
        is_shown = pairs["image_id_a"].isin(ids) & pairs["image_id_b"].isin(ids)
        accepted = pairs[is_accepted & is_shown].head(self.settings.max_edges)
        misses = _find_best_misses(pairs[~is_accepted])
        layout = self._lay_out(images, accepted)
        return MatchGraphFigure(
            chosen,
            tuple(self._make_node(layout, chosen.row, image, misses) for image in images),
            # The strongest are drawn last, above the others.
            tuple(self._make_edge(layout, pair) for pair in accepted.to_dict("records")[::-1]),
            chosen.row.num_usable,
            int(is_accepted.sum()),
            len(accepted),
            round(layout.width * self._cell_px),
            round(layout.height * self._cell_px),
            self.settings.node_px,
        )

    @property
    def _cell_px(self) -> float:
        """Side of a picture with its frame and label."""
        return 1.16 * self.settings.node_px

    def _lay_out(self, images: Sequence[_Verdict], accepted: pd.DataFrame) -> Layout:
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(image["image_id"] for image in images)
        for pair in accepted.to_dict("records"):
            weight = min(1.0, pair["num_inliers"] / _FULL_INLIERS)
            graph.add_edge(pair["image_id_a"], pair["image_id_b"], weight=0.3 + weight)
        return lay_out(graph, self.settings.width_px / self._cell_px)

    def _make_node(
        self, layout: Layout, row: ClassRow, image: _Verdict, misses: Mapping[str, int]
    ) -> GraphNode:
        image_id = image["image_id"]
        x, y = layout.centres[image_id]
        state = "kept" if image["kept"] else "dropped"
        meaning = MEANINGS[ImageReason(image["reason"])]
        alt = f"Image {image_id} of {row.name or row.landmark_id}, {state}"
        load = partial(self.training.load_thumbnail, image_id, self.settings.node_px)
        witnesses = image["num_verified_neighbours"]
        return GraphNode(
            x * self._cell_px,
            y * self._cell_px,
            self.inliner.inline(alt, load),
            image["kept"],
            f"{alt}. {meaning} Verified neighbours: {witnesses}.",
            str(witnesses),
            "" if image["kept"] else self._describe_miss(misses.get(image_id, 0)),
        )

    def _describe_miss(self, num_inliers: int) -> str:
        # More than enough inliers, and yet rejected: that was one of the guards.
        return f"{num_inliers} {'at best' if num_inliers < self.threshold else 'refused'}"

    def _make_edge(self, layout: Layout, pair: Mapping[Any, Any]) -> GraphEdge:
        x1, y1 = (self._cell_px * v for v in layout.centres[pair["image_id_a"]])
        x2, y2 = (self._cell_px * v for v in layout.centres[pair["image_id_b"]])
        strength = min(1.0, pair["num_inliers"] / _FULL_INLIERS)
        width = _THINNEST + (_THICKEST - _THINNEST) * strength
        title = f"{pair['num_inliers']} inliers, {pair['verdict']}"
        return GraphEdge(x1, y1, x2, y2, width, str(pair["verdict"]), title)


def _is_accepted(pairs: pd.DataFrame, threshold: int) -> "pd.Series[bool]":
    """What the cleaning takes for a pair of one place, or of copies."""
    is_copy = pairs["verdict"] == PairVerdict.DUPLICATE.value
    is_verified = pairs["verdict"] == PairVerdict.VERIFIED.value
    return is_copy | (is_verified & (pairs["num_inliers"] >= threshold))


def _find_best_misses(rejected: pd.DataFrame) -> dict[str, int]:
    """Image id -> most inliers of its rejected pairs."""
    best: dict[str, int] = {}
    for side in ("image_id_a", "image_id_b"):
        for image_id, num_inliers in rejected.groupby(side)["num_inliers"].max().items():
            best[str(image_id)] = max(best.get(str(image_id), 0), int(num_inliers))
    return best
