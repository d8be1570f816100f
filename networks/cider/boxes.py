"""Boxes around the connected regions of a mask (Song et al. 2024, Figure 5d)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Box:
    """A detected region, in pixels of the image; right and bottom are exclusive.

    Attributes:
        left: first column.
        top: first row.
        right: column after the last.
        bottom: row after the last.
        num_cells: cells of the map in the region.
    """

    left: float
    top: float
    right: float
    bottom: float
    num_cells: int


def find_boxes(mask: Tensor, width: int, height: int) -> list[Box]:
    """Boxes of the connected regions of a mask, the largest region first.

    Cells that touch at a corner are connected. Regions of equal size come in reading order.

    Args:
        mask: bool (rows, columns), the foreground.
        width: of the image that the mask covers, in pixels.
        height: likewise.
    """
    labels = label_regions(mask)
    rows, columns = mask.shape
    boxes = []
    for label in set(labels.flatten().tolist()):
        if label:
            y, x = (labels == label).nonzero(as_tuple=True)
            left, right = int(x.min()), int(x.max()) + 1
            top, bottom = int(y.min()), int(y.max()) + 1
            sides = left * width / columns, top * height / rows
            ends = right * width / columns, bottom * height / rows
            boxes.append((-len(x), top, left, Box(*sides, *ends, len(x))))
    return [box for *_, box in sorted(boxes, key=lambda entry: entry[:3])]


def label_regions(mask: Tensor) -> Tensor:
    """Number the connected regions of a mask.

    The numbers of neighbours flow over each region until the largest has taken it all.

    Args:
        mask: bool (rows, columns).

    Returns:
        int64 (rows, columns): 0 outside the mask, a number above 0 for each region.
    """
    foreground = mask.double()
    # Doubles hold the numbers of any map exactly, and pooling takes no integers.
    labels = torch.arange(1, mask.numel() + 1, device=mask.device).view_as(mask) * foreground
    while True:
        grown = functional.max_pool2d(labels[None, None], 3, 1, 1)[0, 0] * foreground
        if torch.equal(grown, labels):
            return labels.long()
        labels = grown
