"""Places of pictures in a drawing of a match graph: none covers another, equal in every run."""

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

_SEED = 0
_NUM_ITERATIONS = 120
_NUM_PUSHES = 400
_SPACING = 1.32
"""Distance of neighbouring pictures, as a share of their size."""
_GAP = 0.9
"""Between groups, likewise."""


@dataclass(frozen=True)
class Layout:
    """Where pictures stand.

    Attributes:
        centres: node -> x and y, in units of a picture's side.
        width: of the drawing, in the same unit.
        height: likewise.
    """

    centres: dict[str, tuple[float, float]]
    width: float
    height: float


def lay_out(graph: "nx.Graph[str]", max_width: float) -> Layout:
    """Lay out each connected group by forces, and the groups in rows, the largest first.

    Fruchterman and Reingold (1991) place the nodes of a group, from a start that depends on the
    order of the nodes alone; then those that overlap are pushed apart.

    Args:
        graph: its edges may have a weight; heavier ones are shorter.
        max_width: of the drawing, in units of a picture's side; one wide group may exceed it.
    """
    groups = sorted(nx.connected_components(graph), key=lambda group: (-len(group), min(group)))
    order = {node: position for position, node in enumerate(graph)}
    joined = [sorted(group, key=order.__getitem__) for group in groups if len(group) > 1]
    alone = sorted((node for g in groups if len(g) == 1 for node in g), key=order.__getitem__)
    shelves = _Shelves(max_width)
    for group in joined:
        shelves.add(_place_group(graph, group))
    if alone:
        shelves.add(_place_in_grid(alone, shelves.choose_columns(len(alone))))
    return shelves.finish()


@dataclass(frozen=True, eq=False)
class _Box:
    """A group with the upper left corner of its first picture's cell at 0, 0."""

    nodes: Sequence[str]
    centres: NDArray[np.float64]
    width: float
    height: float


def _place_group(graph: "nx.Graph[str]", nodes: Sequence[str]) -> _Box:
    group: nx.Graph[str] = nx.Graph()
    group.add_nodes_from(nodes)
    group.add_edges_from(graph.subgraph(nodes).edges(data=True))
    start = nx.circular_layout(group)
    placed = nx.spring_layout(
        group, pos=start, iterations=_NUM_ITERATIONS, seed=_SEED, method="force"
    )
    points = np.array([placed[node] for node in nodes])
    points = _push_apart(_turn_wide(points) * np.sqrt(len(nodes)) * 0.8)
    points -= points.min(axis=0) - 0.5
    width, height = points.max(axis=0) + 0.5
    return _Box(nodes, points, float(width), float(height))


def _turn_wide(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn the points so that they spread most along the first axis, as pages are wide."""
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    # The sign of an axis is arbitrary: its larger part points right, or down.
    signs = np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])
    return np.asarray(centred @ (axes * signs[:, None]).T, np.float64)


def _push_apart(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move points that are nearer than `_SPACING` along both axes away from each other."""
    points = points.copy()
    for _ in range(_NUM_PUSHES):
        apart = points[:, None] - points[None]
        overlap = _SPACING - np.abs(apart)
        overlap[np.arange(len(points)), np.arange(len(points))] = 0.0
        touching = (overlap > 1e-6).all(axis=2)
        if not touching.any():
            break
        # Along the axis in which less is missing, half by each of the two.
        shorter = overlap.argmin(axis=2)
        push = np.where(touching, np.take_along_axis(overlap, shorter[..., None], 2)[..., 0], 0.0)
        signs = np.where(apart >= 0, 1.0, -1.0)
        # Points on one spot part by their order.
        same = apart == 0
        lower = np.tri(len(points), k=-1, dtype=bool)[..., None]
        signs = np.where(same & ~lower, -1.0, signs)
        for axis in (0, 1):
            along = np.where(shorter == axis, push, 0.0) * signs[..., axis]
            points[:, axis] += 0.35 * along.sum(axis=1)
    return points


def _place_in_grid(nodes: Sequence[str], num_columns: int) -> _Box:
    places = np.array([divmod(number, num_columns)[::-1] for number in range(len(nodes))])
    centres = places * _SPACING + 0.5
    width, height = centres.max(axis=0) + 0.5
    return _Box(nodes, centres, float(width), float(height))


class _Shelves:
    """Packs boxes from left to right and top to bottom."""

    def __init__(self, max_width: float) -> None:
        self._max_width = max_width
        self._left = self._top = self._shelf_height = self._width = 0.0
        self._centres: dict[str, tuple[float, float]] = {}

    def add(self, box: _Box) -> None:
        """Place a box on the shelf, or on a new one below if it is too wide for the rest."""
        if self._left and self._left + box.width > self._max_width:
            self._top += self._shelf_height + _GAP
            self._left = self._shelf_height = 0.0
        for node, (x, y) in zip(box.nodes, box.centres.tolist(), strict=True):
            self._centres[node] = (self._left + x, self._top + y)
        self._left += box.width + _GAP
        self._width = max(self._width, self._left - _GAP)
        self._shelf_height = max(self._shelf_height, box.height)

    def choose_columns(self, num_nodes: int) -> int:
        """Columns of a grid that fits beside what stands on the shelf; else as wide as allowed."""
        num_rows = max(1, int((self._shelf_height - 1) // _SPACING) + 1)
        num_columns = -(-num_nodes // num_rows)
        room = self._max_width - self._left
        if self._left and 1 + (num_columns - 1) * _SPACING <= room:
            return num_columns
        return max(1, min(num_nodes, int((self._max_width - 1) // _SPACING) + 1))

    def finish(self) -> Layout:
        """The layout of all boxes so far."""
        return Layout(self._centres, self._width, self._top + self._shelf_height)
