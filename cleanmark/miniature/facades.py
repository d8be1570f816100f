"""Whole walls: windows in rows, cornices, quoins, and ornaments that occur once."""

from dataclasses import dataclass

import numpy as np

from cleanmark.miniature.canvas import Box, Canvas
from cleanmark.miniature.colours import choose_colour, pick_colour, vary_colour
from cleanmark.miniature.masonry import ROOFS, WALLS, weather
from cleanmark.miniature.materials import Colour, Material
from cleanmark.miniature.openings import SHAPES, OpeningStyle, paint_door, paint_window
from cleanmark.miniature.ornaments import ORNAMENTS, paint_frieze

Rng = np.random.Generator

STONES: tuple[Colour, ...] = (
    (196, 184, 160), (178, 160, 128), (206, 200, 190), (150, 146, 142), (188, 150, 118),
    (170, 120, 96), (214, 196, 150), (140, 130, 112),
)  # fmt: skip
BRICKS: tuple[Colour, ...] = ((152, 82, 64), (128, 66, 56), (178, 128, 84), (120, 96, 84))
PLASTERS: tuple[Colour, ...] = (
    (226, 200, 140), (214, 168, 140), (196, 206, 196), (230, 222, 206), (176, 192, 208),
    (208, 140, 112), (190, 180, 120), (160, 176, 150),
)  # fmt: skip
TIMBERS: tuple[Colour, ...] = ((120, 84, 58), (92, 76, 66), (150, 130, 104))
WALL_COLOURS = {
    "ashlar": STONES,
    "rubble": STONES,
    "slabs": STONES,
    "brick": BRICKS,
    "plaster": PLASTERS,
    "planks": TIMBERS,
}
ROOF_COLOURS: tuple[Colour, ...] = (
    (150, 84, 62), (92, 94, 102), (104, 138, 122), (120, 72, 58), (78, 80, 84), (140, 116, 92),
)  # fmt: skip


@dataclass(frozen=True)
class BuildingStyle:
    """What an architect repeats from building to building; the details are drawn anew.

    Attributes:
        wall: Name of the wall's masonry.
        wall_colour: Its colour, RGB 0..255.
        trim: Colour of cornices and quoins.
        roof: Name of the roof's covering.
        roof_colour: Its colour.
        openings: The windows and doors.
        storey_metres: Height of a storey.
        bay_metres: Distance between windows.
        window_share: Width of a window as a share of the bay.
        ornament_kinds: What the walls are adorned with.
        has_quoins: Whether the corners are dressed.
        has_friezes: Whether carved bands run between the storeys.
    """

    wall: str
    wall_colour: Colour
    trim: Colour
    roof: str
    roof_colour: Colour
    openings: OpeningStyle
    storey_metres: float
    bay_metres: float
    window_share: float
    ornament_kinds: tuple[str, ...]
    has_quoins: bool
    has_friezes: bool


def draw_style(rng: Rng, walls: tuple[str, ...] = tuple(WALL_COLOURS)) -> BuildingStyle:
    """Draw the style of one building, its masonry being one of `walls`."""
    wall = str(rng.choice(walls))
    trim = vary_colour(rng, choose_colour(rng, STONES))
    openings = OpeningStyle(
        shape=str(rng.choice(SHAPES)),
        frame=vary_colour(rng, trim),
        wood=pick_colour(rng, 40, 225),
        num_columns=int(rng.integers(1, 5)),
        num_rows=int(rng.integers(1, 7)),
        has_shutters=bool(rng.random() < 0.25),
        has_pediment=bool(rng.random() < 0.25),
        surround=float(rng.uniform(0.08, 0.24)),
    )
    return BuildingStyle(
        wall=wall,
        wall_colour=vary_colour(rng, choose_colour(rng, WALL_COLOURS[wall])),
        trim=trim,
        roof=str(rng.choice(list(ROOFS))),
        roof_colour=vary_colour(rng, choose_colour(rng, ROOF_COLOURS)),
        openings=openings,
        storey_metres=float(rng.uniform(3.4, 5.6)),
        bay_metres=float(rng.uniform(2.6, 4.6)),
        window_share=float(rng.uniform(0.3, 0.55)),
        ornament_kinds=tuple(str(k) for k in rng.permutation(list(ORNAMENTS))[:4]),
        has_quoins=bool(rng.random() < 0.5),
        has_friezes=bool(rng.random() < 0.5),
    )


def build_wall(
    rng: Rng,
    style: BuildingStyle,
    size_metres: tuple[float, float],
    texels_per_metre: float,
    *,
    has_door: bool = False,
    has_windows: bool = True,
    num_ornaments: int = 0,
) -> Material:
    """Make one wall.

    Args:
        rng: The stream of this wall's details.
        style: What it shares with its building.
        size_metres: Width and height.
        texels_per_metre: Scale of the texture.
        has_door: Whether a portal takes the middle of the ground floor.
        has_windows: Whether it has windows at all.
        num_ornaments: How many bays carry an ornament in place of a window.
    """
    width, height = (max(int(metres * texels_per_metre), 8) for metres in size_metres)
    canvas = WALLS[style.wall](rng, (height, width), texels_per_metre, style.wall_colour)
    weather(rng, canvas)
    if style.has_friezes:
        _add_friezes(rng, canvas, style)
    if has_windows:
        _fill_bays(rng, canvas, style, num_ornaments, has_door=has_door)
    else:
        _scatter_ornaments(rng, canvas, style, num_ornaments)
    _add_trim(rng, canvas, style)
    return canvas.finish()


def build_roof(
    rng: Rng, style: BuildingStyle, size_metres: tuple[float, float], texels_per_metre: float
) -> Material:
    """Make a sheet of the building's roof covering."""
    width, height = (max(int(metres * texels_per_metre), 8) for metres in size_metres)
    canvas = ROOFS[style.roof](rng, (height, width), texels_per_metre, style.roof_colour)
    weather(rng, canvas, 0.8)
    return canvas.finish()


def _fill_bays(
    rng: Rng, canvas: Canvas, style: BuildingStyle, num_ornaments: int, *, has_door: bool
) -> None:
    scale = canvas.texels_per_metre
    height, width = canvas.shape_px
    num_bays = max(1, round(width / (style.bay_metres * scale)))
    num_storeys = max(1, round(height / (style.storey_metres * scale)))
    bay, storey = width / num_bays, height / num_storeys
    cells = [(row, column) for row in range(num_storeys) for column in range(num_bays)]
    chosen = rng.permutation(len(cells))[: min(num_ornaments, len(cells) // 2 + 1)]
    door_cell = (num_storeys - 1, num_bays // 2) if has_door else None
    for number, (row, column) in enumerate(cells):
        cell = Box(column * bay, row * storey, (column + 1) * bay, (row + 1) * storey)
        if (row, column) == door_cell:
            door = cell.inset(0.18 * bay, top=0.14 * storey, bottom=0)
            paint_door(rng, canvas, door, style.openings)
        elif number in chosen:
            _adorn(rng, canvas, cell.inset(0.16 * bay, 0.14 * storey), style)
        else:
            margin = (1 - style.window_share) / 2 * bay
            drift = rng.uniform(-0.05, 0.05, 2) * bay
            pane = cell.inset(margin, 0.2 * storey, 0.18 * storey * (1 + rng.uniform(-0.4, 0.4)))
            moved = Box(pane.left + drift[0], pane.top, pane.right + drift[1], pane.bottom)
            paint_window(rng, canvas, moved, style.openings)


def _scatter_ornaments(rng: Rng, canvas: Canvas, style: BuildingStyle, count: int) -> None:
    """Spread ornaments over a blank wall, one to a cell of a grid."""
    height, width = canvas.shape_px
    if count == 0:
        return
    num_columns = max(1, round(float(np.sqrt(count * width / height))))
    num_rows = -(-count // num_columns)
    across, down = width / num_columns, height / num_rows
    for cell in rng.permutation(num_columns * num_rows)[:count]:
        row, column = divmod(int(cell), num_columns)
        size = min(across, down) * rng.uniform(0.55, 0.8)
        tall = min(size * rng.uniform(0.8, 1.4), 0.9 * down)
        x = (column + 0.5) * across + rng.uniform(-0.5, 0.5) * (across - size)
        y = (row + 0.5) * down + rng.uniform(-0.5, 0.5) * (down - tall)
        box = Box(x - size / 2, y - tall / 2, x + size / 2, y + tall / 2)
        _adorn(rng, canvas, box, style)


def _adorn(rng: Rng, canvas: Canvas, box: Box, style: BuildingStyle) -> None:
    kind = str(rng.choice(style.ornament_kinds))
    ORNAMENTS[kind](rng, canvas, box, vary_colour(rng, style.trim, 0.05))


def _add_friezes(rng: Rng, canvas: Canvas, style: BuildingStyle) -> None:
    height, width = canvas.shape_px
    num_storeys = max(1, round(height / (style.storey_metres * canvas.texels_per_metre)))
    thick = 0.13 * height / num_storeys
    for row in range(num_storeys):
        top = row * height / num_storeys + 0.2 * thick
        paint_frieze(rng, canvas, Box(0, top, width, top + thick), style.trim)


def _add_trim(rng: Rng, canvas: Canvas, style: BuildingStyle) -> None:
    height, width = canvas.shape_px
    scale = canvas.texels_per_metre
    cornice = Box(0, 0, width, 0.3 * scale)
    canvas.shade(cornice.inset(0, 0, -0.35 * scale).corners(), 0.7, 0.2 * scale)
    canvas.fill(cornice.corners(), vary_colour(rng, style.trim, 0.04), raise_by=5)
    plinth = Box(0, height - 0.45 * scale, width, height)
    canvas.fill(plinth.corners(), vary_colour(rng, (120, 116, 110), 0.1), raise_by=3)
    if not style.has_quoins:
        return
    top = 0.35 * scale
    while top < height:
        tall = scale * rng.uniform(0.4, 0.7)
        for side in (0, 1):
            long = scale * rng.uniform(0.35, 0.95)
            left = 0 if side == 0 else width - long
            block = Box(left, top, left + long, top + tall - 1)
            canvas.fill(block.corners(), vary_colour(rng, style.trim, 0.09), raise_by=2)
        top += tall
