"""What happens to a photograph on its way into a data set, down to the bytes of its file."""

from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from cleanmark.miniature.canvas import Box, Canvas
from cleanmark.miniature.materials import Bytes
from cleanmark.miniature.ornaments import ORNAMENTS
from cleanmark.miniature.photograph import Photograph
from cleanmark.miniature.seeding import make_generator

EXIF_ORIENTATION_TAG = 0x0112
ORIENTATION_TURN_RIGHT = 6  # "row 0 is the right side": viewers turn the pixels clockwise
FRAME_SHARE = 0.17  # width of a picture frame over the picture's shorter side


def encode_jpeg(pixels: Bytes, quality: int) -> bytes:
    """Compress an RGB or grey picture."""
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def _keep(photograph: Photograph) -> bytes:
    return encode_jpeg(photograph.pixels, photograph.jpeg_quality)


def _append_byte(photograph: Photograph) -> bytes:
    return _keep(photograph) + b"\0"


def _encode_again(photograph: Photograph) -> bytes:
    decoded = cv2.imdecode(np.frombuffer(_keep(photograph), np.uint8), cv2.IMREAD_COLOR_RGB)
    return encode_jpeg(np.asarray(decoded, np.uint8), photograph.jpeg_quality - 12)


def _halve(photograph: Photograph) -> bytes:
    height, width = photograph.pixels.shape[:2]
    size = (width // 2, height // 2)
    small = cv2.resize(photograph.pixels, size, interpolation=cv2.INTER_AREA)
    return encode_jpeg(np.asarray(small, np.uint8), photograph.jpeg_quality)


def _turn_quarter(photograph: Photograph) -> bytes:
    return encode_jpeg(np.rot90(photograph.pixels).copy(), photograph.jpeg_quality)


def _straighten(photograph: Photograph) -> bytes:
    """Turn by a few degrees and crop, as one does with a leaning horizon."""
    height, width = photograph.pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 4.0, 1.12)
    turned = cv2.warpAffine(photograph.pixels, turn, (width, height))
    return encode_jpeg(np.asarray(turned, np.uint8), photograph.jpeg_quality)


def _stamp(photograph: Photograph) -> bytes:
    """Print the same agency's mark and date over the lower part."""
    pixels = photograph.pixels.copy()
    mark = _make_mark(int(0.94 * min(pixels.shape[:2])))
    rows, columns = mark.shape[:2]
    top, left = pixels.shape[0] - rows - rows // 8, (pixels.shape[1] - columns) // 2
    pixels[top : top + rows, left : left + columns] = mark
    return encode_jpeg(pixels, photograph.jpeg_quality)


def _make_mark(width_px: int) -> Bytes:
    mark = np.full((300, 760, 3), (34, 30, 44), np.uint8)
    gold, font = (255, 214, 90), cv2.FONT_HERSHEY_DUPLEX
    for line, (text, size) in enumerate((("VALE & SONS", 3.0), ("picture agency", 2.6))):
        cv2.putText(mark, text, (20, 90 + 95 * line), font, size, gold, 7, cv2.LINE_AA)
    cv2.putText(mark, "07.08.1998 16:42", (20, 275), font, 2.2, gold, 5, cv2.LINE_AA)
    size_px = (width_px, width_px * 300 // 760)
    return np.asarray(cv2.resize(mark, size_px, interpolation=cv2.INTER_AREA), np.uint8)


def _frame(photograph: Photograph) -> bytes:
    """Hang in the same carved frame as its companions, all being cut to one format."""
    long_side = max(photograph.pixels.shape[:2])
    width, height = long_side, long_side * 3 // 4
    framed = _carve_frame(width, height)
    margin = int(FRAME_SHARE * height)
    size = (width - 2 * margin, height - 2 * margin)
    inner = cv2.resize(photograph.pixels, size, interpolation=cv2.INTER_AREA)
    framed[margin : height - margin, margin : width - margin] = inner
    return encode_jpeg(framed, photograph.jpeg_quality)


def _carve_frame(width: int, height: int) -> Bytes:
    rng = make_generator(0, "picture frame")
    gold = (176.0, 138.0, 70.0)
    albedo = np.full((height, width, 3), gold, np.float32)
    canvas = Canvas(albedo, np.zeros((height, width), np.float32), 1.0)
    side = FRAME_SHARE * height
    for start in np.arange(0, width - side / 2, side):
        for top in (0.0, height - side):
            ORNAMENTS["relief"](rng, canvas, Box(start, top, start + side, top + side), gold)
    for start in np.arange(side, height - 1.5 * side, side):
        for left in (0.0, width - side):
            ORNAMENTS["relief"](rng, canvas, Box(left, start, left + side, start + side), gold)
    return canvas.finish().albedo


def _truncate(photograph: Photograph) -> bytes:
    whole = _keep(photograph)
    return whole[: len(whole) * 3 // 5]


def _replace_by_html(_photograph: Photograph) -> bytes:
    return b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n"


def _encode_png(photograph: Photograph) -> bytes:
    # At half size: a photograph in PNG is several times as large as in JPEG.
    height, width = photograph.pixels.shape[:2]
    small = cv2.resize(photograph.pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return encoded.tobytes()


def _drop_colour(photograph: Photograph) -> bytes:
    grey = cv2.cvtColor(photograph.pixels, cv2.COLOR_RGB2GRAY)
    return encode_jpeg(np.asarray(grey, np.uint8), photograph.jpeg_quality)


def _store_turned(photograph: Photograph) -> bytes:
    """Store the pixels as the sensor saw them, with a note which way is up."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION_TAG] = ORIENTATION_TURN_RIGHT
    stream = BytesIO()
    sideways = Image.fromarray(np.rot90(photograph.pixels).copy())
    sideways.save(stream, "JPEG", quality=photograph.jpeg_quality, exif=exif)
    return stream.getvalue()


TREATMENTS: dict[str, Callable[[Photograph], bytes]] = {
    "as taken": _keep,
    "one more byte": _append_byte,
    "re-encoded": _encode_again,
    "half size": _halve,
    "rotated by 90 degrees": _turn_quarter,
    "rotated by 4 degrees": _straighten,
    "watermark": _stamp,
    "picture frame": _frame,
    "truncated": _truncate,
    "HTML": _replace_by_html,
    "PNG": _encode_png,
    "greyscale": _drop_colour,
    "EXIF orientation 6": _store_turned,
}
