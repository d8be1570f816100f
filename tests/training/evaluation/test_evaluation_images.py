import numpy as np
import pytest
from tiny_run import encode_jpeg

from curation.images import ImageError
from manifests.input_error import InputError
from training.evaluation.evaluation_images import EvaluationImage


def make_image(box=None, shape=(80, 120)):
    data = encode_jpeg(np.full((*shape, 3), 90, np.uint8))
    return EvaluationImage("image", "1", lambda: data, box)


def test_a_crop_keeps_the_scale_of_its_image():
    # The image of 120 px would be reduced to 60, so its crop of 60 px is reduced to 30.
    assert make_image((10, 10, 70, 50)).load(60).shape == (20, 30, 3)
    assert make_image((10, 10, 70, 50)).load(500).shape == (40, 60, 3)
    assert make_image((10, 10, 70, 50)).load().shape == (40, 60, 3)


def test_whole_images_are_left_to_the_embedder():
    assert make_image().load(60).shape == (80, 120, 3)


def test_what_cannot_be_read_says_why():
    with pytest.raises(ImageError, match="no such file"):
        EvaluationImage("gone", "missing", None).load()
    with pytest.raises(ImageError):
        EvaluationImage("text", "1", lambda: b"<html>").load()


def test_a_box_outside_names_the_query():
    with pytest.raises(InputError, match=r"query .image.*correct the box"):
        make_image((500, 500, 600, 600)).load(60)
