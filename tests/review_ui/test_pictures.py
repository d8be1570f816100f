import io

import numpy as np
import pytest
from drawn_images import ORIENTATION_TAG, four_corners
from PIL import Image

from curation.images import decode_image
from manifests.lineage import digest_bytes
from review_ui.evidence import EvidenceError, Photograph, Query
from review_ui.pictures import PictureSize, PictureStore, read_photograph


def _photograph(path, data):
    path.write_bytes(data)
    return Photograph(digest_bytes(data), path, 0, len(data))


def _turned(orientation, width=640, height=480):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[ORIENTATION_TAG] = orientation
    stream = io.BytesIO()
    image.save(stream, "PNG", exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_lies_where_the_decoder_crops(tmp_path, orientation):
    data = _turned(orientation)
    box = (64.0, 48.0, 320.0, 432.0)
    photograph = _photograph(tmp_path / "q.png", data)
    store = PictureStore({photograph.picture_id: photograph})
    left, top, right, bottom = store.find_box(Query("tiny", "q", photograph, box))
    whole = decode_image(data).pixels
    height, width = whole.shape[:2]
    cut = whole[
        round(top * height) : round(bottom * height), round(left * width) : round(right * width)
    ]
    assert np.array_equal(cut, decode_image(data, box).pixels)


@pytest.mark.parametrize(("size", "long_side"), [("thumb", 320), ("view", 1280), ("full", 2000)])
def test_pictures_are_resized_and_never_enlarged(tmp_path, size, long_side):
    image = four_corners(width=2000, height=1000)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    photograph = _photograph(tmp_path / "p.png", stream.getvalue())
    store = PictureStore({photograph.picture_id: photograph})
    made = Image.open(io.BytesIO(store.get(photograph.picture_id, PictureSize(size))))
    assert (made.format, made.size) == ("JPEG", (long_side, long_side // 2))


def test_a_file_that_is_another_one_now_is_not_shown(tmp_path):
    data = _turned(1, 64, 48)
    photograph = _photograph(tmp_path / "p.png", data)
    photograph.path.write_bytes(bytes(len(data)))
    with pytest.raises(EvidenceError, match="not the one that the run has read"):
        read_photograph(photograph)
    photograph.path.unlink()
    with pytest.raises(EvidenceError, match="Not readable"):
        read_photograph(photograph)


def test_only_pictures_of_the_run_are_known(tmp_path):
    photograph = _photograph(tmp_path / "p.png", _turned(1, 64, 48))
    with pytest.raises(KeyError):
        PictureStore({}).get(photograph.picture_id, PictureSize.THUMB)


def test_the_cache_keeps_to_its_bound(tmp_path):
    photographs = [_photograph(tmp_path / f"{n}.png", _turned(1, 200 + n, 200)) for n in range(6)]
    by_id = {p.picture_id: p for p in photographs}
    store = PictureStore(by_id, max_cache_bytes=1)
    first = [store.get(picture_id, PictureSize.THUMB) for picture_id in by_id]
    assert len(store._cache) == 1
    assert [store.get(picture_id, PictureSize.THUMB) for picture_id in by_id] == first
