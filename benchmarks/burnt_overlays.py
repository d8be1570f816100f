"""What agencies, cameras and printers burn into photographs, drawn alike into any picture.

Every function takes a picture of `CANVAS_PX`, uint8 (height, width, 3), and gives a new one. The
glyphs are the same to the pixel in every picture: the worst case for a verifier.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Burn = Callable[[Picture, int], Picture]
"""From a picture and its number to the picture with the overlay."""

CANVAS_PX = (1024, 768)
JPEG_QUALITY = 90

_FONT = cv2.FONT_HERSHEY_DUPLEX
_WHITE, _DARK, _AMBER = (255, 255, 255), (30, 30, 40), (255, 170, 40)
_RIM_PX = 70
_CAPTION_PX = 60


def fill_canvas(pixels: Picture) -> Picture:
    """The middle of a picture, scaled to cover the canvas: one size for all."""
    width, height = CANVAS_PX
    scale = max(width / pixels.shape[1], height / pixels.shape[0])
    scaled_px = (
        max(width, round(pixels.shape[1] * scale)),
        max(height, round(pixels.shape[0] * scale)),
    )
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(pixels, scaled_px, interpolation=method)
    top, left = (scaled_px[1] - height) // 2, (scaled_px[0] - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width], np.uint8)


def save_as_jpeg(picture: Picture) -> Picture:
    """What is left of a picture that was saved as every photograph is."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    data = cv2.imencode(".jpg", picture[:, :, ::-1], options)[1]
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[:, :, ::-1])


def burn_date_stamp(picture: Picture, number: int) -> Picture:
    """A camera's date and time at the lower right, always at the same place."""
    del number
    stamped = picture.copy()
    _write(stamped, "2007 08 14  16:32:05", (560, 730), size=1.2, colour=_AMBER)
    return stamped


def burn_small_watermark(picture: Picture, number: int) -> Picture:
    """A line of the photographer's, along the lower edge, at another place in each picture."""
    marked = picture.copy()
    left, bottom = 20 + 37 * (number % 11), 744 - 9 * (number % 5)
    text = "(c) 2009 Valmere Pictures - valmere-pictures.example"
    _write(marked, text, (left, bottom), size=0.7, colour=_WHITE)
    return marked


def burn_large_watermark(picture: Picture, number: int) -> Picture:
    """A translucent name and sign across the whole picture, as agencies sell samples."""
    del number
    layer = np.zeros_like(picture)
    cv2.circle(layer, (512, 250), 120, _WHITE, 22, cv2.LINE_AA)
    cv2.circle(layer, (512, 250), 45, _WHITE, -1, cv2.LINE_AA)
    for text, bottom in (("VALMERE", 500), ("PICTURES", 660)):
        cv2.putText(layer, text, (150, bottom), _FONT, 5.5, _WHITE, 16, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((512, 384), 20, 0.9)
    layer = np.asarray(cv2.warpAffine(layer, turn, CANVAS_PX), np.uint8)
    return _blend(picture, layer, opacity=0.4)


def burn_captioned_frame(picture: Picture, number: int) -> Picture:
    """A printed passe-partout with ornaments and a caption, as around a scanned postcard."""
    del number
    width, height = CANVAS_PX
    page = np.full_like(picture, 225)
    rng = np.random.default_rng(0)
    for x, y, turn in rng.uniform([0, 0, 0], [width, height, 360], (900, 3)).tolist():
        cv2.ellipse(
            page, (round(x), round(y)), (11, 4), turn, 0, 300, (120, 90, 60), 2, cv2.LINE_AA
        )
    bottom = height - _RIM_PX - _CAPTION_PX
    page[bottom : height - _RIM_PX, _RIM_PX : width - _RIM_PX] = 240
    _write(page, "Gruss aus Valmere  -  Souvenir", (_RIM_PX + 60, bottom + 42), 1.2, _DARK)
    window_px = (width - 2 * _RIM_PX, bottom - _RIM_PX)
    shown = cv2.resize(picture, window_px, interpolation=cv2.INTER_AREA)
    page[_RIM_PX:bottom, _RIM_PX : width - _RIM_PX] = shown
    return page


def burn_tiled_logo(picture: Picture, number: int) -> Picture:
    """A small translucent logo, again and again over the whole picture."""
    del number
    layer = np.zeros_like(picture)
    for top in range(60, CANVAS_PX[1], 150):
        for left in range(40, CANVAS_PX[0], 250):
            cv2.circle(layer, (left, top), 26, _WHITE, 6, cv2.LINE_AA)
            cv2.putText(layer, "valmere", (left + 36, top + 12), _FONT, 1.1, _WHITE, 3, cv2.LINE_AA)
    return _blend(picture, layer, opacity=0.35)


def burn_corner_logo(picture: Picture, number: int) -> Picture:
    """An opaque emblem in the upper left corner, always at the same place."""
    del number
    marked = picture.copy()
    cv2.rectangle(marked, (24, 24), (244, 164), _DARK, -1)
    cv2.circle(marked, (84, 94), 48, _AMBER, 8, cv2.LINE_AA)
    star = np.array([[84, 56], [96, 108], [52, 76], [116, 76], [72, 108]], np.int32)
    cv2.polylines(marked, [star], isClosed=True, color=_WHITE, thickness=3, lineType=cv2.LINE_AA)
    for row, text in enumerate(("VALMERE", "PUBLIC", "ARCHIVE")):
        cv2.putText(marked, text, (142, 66 + 36 * row), _FONT, 0.7, _WHITE, 1, cv2.LINE_AA)
    return marked


OVERLAYS: Mapping[str, Burn] = {
    "date_stamp": burn_date_stamp,
    "small_watermark": burn_small_watermark,
    "large_watermark": burn_large_watermark,
    "captioned_frame": burn_captioned_frame,
    "tiled_logo": burn_tiled_logo,
    "corner_logo": burn_corner_logo,
}


def _write(
    picture: Picture, text: str, place: tuple[int, int], size: float, colour: tuple[int, int, int]
) -> None:
    """Write with a dark edge, which keeps text legible on any ground."""
    if colour is not _DARK:
        cv2.putText(picture, text, place, _FONT, size, _DARK, 5, cv2.LINE_AA)
    cv2.putText(picture, text, place, _FONT, size, colour, 2, cv2.LINE_AA)


def _blend(picture: Picture, layer: Picture, opacity: float) -> Picture:
    """Lay white strokes over a picture; black parts of the layer leave it as it is."""
    alpha = opacity * layer.astype(np.float32) / 255
    return np.asarray(np.rint(picture * (1 - alpha) + 255 * alpha), np.uint8)
