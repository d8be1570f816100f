import torch
from hypothesis import given
from hypothesis import strategies as st

from networks.cider.boxes import Box, find_boxes, label_regions


def read_mask(*lines):
    return torch.tensor([[character == "#" for character in line] for line in lines])


def flood(mask):
    """Regions as sets of cells, found one cell after another."""
    left = {tuple(cell) for cell in mask.nonzero().tolist()}
    regions = []
    while left:
        region, open_cells = set(), [left.pop()]
        while open_cells:
            row, column = open_cells.pop()
            region.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            open_cells += near
        regions.append(frozenset(region))
    return set(regions)


def test_boxes_of_two_regions_the_larger_first():
    mask = read_mask("##....", "#.....", "...##.", "....##", "....#.")
    assert find_boxes(mask, width=60, height=100) == [
        Box(30, 40, 60, 100, 5),
        Box(0, 0, 20, 40, 3),
    ]


def test_equal_regions_come_in_reading_order_and_sides_need_not_divide():
    boxes = find_boxes(read_mask("..#", "#.."), width=100, height=50)
    assert boxes == [Box(200 / 3, 0, 100, 25, 1), Box(0, 25, 100 / 3, 50, 1)]


def test_an_empty_mask_has_no_box_and_a_full_one_the_whole_image():
    assert find_boxes(torch.zeros(3, 4, dtype=torch.bool), 40, 30) == []
    assert find_boxes(torch.ones(3, 4, dtype=torch.bool), 40, 30) == [Box(0, 0, 40, 30, 12)]


def test_a_winding_region_is_one():
    mask = read_mask("#####", "....#", "###.#", "#.#.#", "#...#", "#####")
    assert len(label_regions(mask).unique()) == 2


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=9))
def test_regions_against_flooding(rows):
    mask = torch.tensor(rows)
    labels = label_regions(mask)
    found = {
        frozenset(tuple(cell) for cell in (labels == label).nonzero().tolist())
        for label in labels.unique().tolist()
        if label
    }
    assert found == flood(mask)
    assert torch.equal(labels > 0, mask)
