"""A few lines of text under a drawing."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cleanmark.reporting.correspondence_drawing import PAPER, Pixels

_INK = (32, 33, 36)
_FAINT_INK = (84, 88, 94)
_MARGIN_PX = 18
_LEADING = 1.4
_TITLE_PX, _DETAILS_PX = 24, 18
_MIN_WIDTH_PX = 480


def add_caption(drawing: Pixels, title: str, details: str) -> Pixels:
    """Frame a drawing and set a title and smaller details under it, wrapped to its width.

    Args:
        drawing: uint8 (height, width, 3), RGB.
        title: one sentence.
        details: further sentences.

    Returns:
        uint8 RGB; a narrow drawing gets a wider sheet, so that the words fit.
    """
    height, width = drawing.shape[:2]
    text_width = max(width, _MIN_WIDTH_PX)
    lines = [
        *_wrap(title, _TITLE_PX, _INK, text_width),
        *_wrap(details, _DETAILS_PX, _FAINT_INK, text_width),
    ]
    text_height = sum(round(size * _LEADING) for _, size, _ in lines)
    sheet_size = (text_width + 2 * _MARGIN_PX, height + text_height + 3 * _MARGIN_PX)
    sheet = Image.new("RGB", sheet_size, PAPER)
    sheet.paste(Image.fromarray(drawing), ((sheet.width - width) // 2, _MARGIN_PX))
    _write_lines(sheet, lines, height + 2 * _MARGIN_PX)
    return np.asarray(sheet)


_Line = tuple[str, int, tuple[int, int, int]]


def _wrap(text: str, size_px: int, ink: tuple[int, int, int], width_px: int) -> list[_Line]:
    font = ImageFont.load_default(size_px)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return [(line, size_px, ink) for line in lines]


def _write_lines(sheet: Image.Image, lines: list[_Line], top_px: int) -> None:
    pen = ImageDraw.Draw(sheet)
    for text, size_px, ink in lines:
        pen.text((_MARGIN_PX, top_px), text, ink, ImageFont.load_default(size_px))
        top_px += round(size_px * _LEADING)
