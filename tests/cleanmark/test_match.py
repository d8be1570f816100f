"""Matching two files: verdicts on drawn pairs, words, and the picture."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_run
from PIL import Image

from cleanmark.match import MatchError, MatchSettings, match_files
from cleanmark.match_result import map_frame
from curation.sift import SiftSettings
from manifests.rows import MEANINGS, PairReason, PairVerdict

SETTINGS = MatchSettings(features=SiftSettings(max_features=600))


@pytest.fixture(scope="module")
def walls(tmp_path_factory):
    """Files: two views of one wall, another wall, a blank one, and copies of the first view."""
    folder = tmp_path_factory.mktemp("walls")
    first = tiny_run.draw_view(1, 0)
    contents = {
        "first.jpg": tiny_run.encode_jpeg(first),
        "second.jpg": tiny_run.encode_jpeg(tiny_run.draw_view(1, 1)),
        "other.jpg": tiny_run.encode_jpeg(tiny_run.draw_wall(2)),
        "blank.jpg": tiny_run.encode_jpeg(np.full_like(first, 128)),
        "same.jpg": tiny_run.encode_jpeg(first),
        "paler.jpg": tiny_run.encode_jpeg(first, quality=60),
        "half.jpg": tiny_run.encode_jpeg(first)[:3000],
        "page.jpg": b"<html></html>",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("name", "verdict", "reason"),
    [
        ("second.jpg", PairVerdict.VERIFIED, PairReason.ENOUGH_INLIERS),
        ("other.jpg", PairVerdict.REJECTED, PairReason.TOO_FEW_INLIERS),
        ("blank.jpg", PairVerdict.REJECTED, PairReason.NO_FEATURES),
        ("same.jpg", PairVerdict.DUPLICATE, PairReason.SAME_BYTES),
        ("paler.jpg", PairVerdict.DUPLICATE, PairReason.NEAR_DUPLICATE),
    ],
)
def test_verdicts(walls, name, verdict, reason):
    found = match_files(walls / "first.jpg", walls / name, SETTINGS).found
    assert (found.verdict, found.reason) == (verdict, reason)


def test_the_model_maps_the_first_image_onto_the_second(walls):
    result = match_files(walls / "first.jpg", walls / "second.jpg", SETTINGS)
    inliers = result.found.inliers
    ends = result.photograph_a.features.xy[inliers.index_a]
    mapped = ends @ result.found.matrix[:, :2].T + result.found.matrix[:, 2]
    distances_px = np.linalg.norm(mapped - result.photograph_b.features.xy[inliers.index_b], axis=1)
    assert np.median(distances_px) < 5


def test_a_result_reads_as_a_few_lines(walls):
    result = match_files(walls / "first.jpg", walls / "second.jpg", SETTINGS)
    text = str(result)
    assert text.startswith(f"verdict    verified: {MEANINGS[PairVerdict.VERIFIED]}\n")
    assert f"enough_inliers: {MEANINGS[PairReason.ENOUGH_INLIERS]}" in text
    assert f"{len(result.photograph_a.features)} in A, {walls / 'first.jpg'}" in text
    assert f"{result.found.num_tentative} correspondences" in text
    assert f"{result.found.num_inliers} agree with the model, 30 are needed" in text
    assert f"{result.found.matrix[0, 0]:.4f} x" in text
    assert len(text.splitlines()) == 9


def test_a_result_without_a_model_says_none(walls):
    text = str(match_files(walls / "first.jpg", walls / "blank.jpg", SETTINGS))
    assert text.endswith("model      none")
    assert "0 in B" in text


def test_the_picture_shows_both_images_and_a_caption(walls, tmp_path):
    picture = tmp_path / "new" / "match.png"
    result = match_files(walls / "first.jpg", walls / "second.jpg", SETTINGS, picture)
    height, width = result.photograph_a.pixels.shape[:2]
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert 2 * width < image.width < 2 * width + 100
        assert height + 40 < image.height < height + 200
        first_column = np.asarray(image)[:, : image.width // 2]
    assert len(np.unique(first_column.reshape(-1, 3), axis=0)) > 1000


def test_the_correspondences_of_the_picture_are_those_that_were_counted(walls):
    """Outliers and inliers together, whichever of the files comes first."""
    names = ["first.jpg", "second.jpg", "other.jpg", "paler.jpg"]
    for a, b in permutations(names, 2):
        result = match_files(walls / a, walls / b, SETTINGS)
        assert len(result.find_outliers()) == result.found.num_tentative - result.found.num_inliers


def test_frames_are_mapped_forth_and_back():
    features = SimpleNamespace(width=100, height=50)
    shift = np.array([[2.0, 0, 10], [0, 2, -5], [0, 0, 1]])
    assert map_frame(shift, features).tolist() == [[10, -5], [210, -5], [210, 95], [10, 95]]
    horizon = np.array([[1.0, 0, 0], [0, 1, 0], [-0.02, 0, 1]])
    assert len(map_frame(horizon, features)) == 0
    assert len(map_frame(None, features)) == 0


def test_the_picture_of_a_pair_without_inliers_is_drawn_too(walls, tmp_path):
    picture = tmp_path / "match.png"
    match_files(walls / "first.jpg", walls / "blank.jpg", SETTINGS, picture)
    with Image.open(picture) as image:
        assert image.width > 2 * 400


def test_the_same_files_give_the_same_picture(walls, tmp_path):
    files = walls / "first.jpg", walls / "second.jpg"
    match_files(*files, SETTINGS, tmp_path / "a.png")
    match_files(*files, SETTINGS, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", ["half.jpg", "page.jpg", "absent.jpg"])
@pytest.mark.parametrize("swapped", [False, True])
def test_an_unusable_file_is_named(walls, name, swapped):
    files = [walls / "first.jpg", walls / name]
    with pytest.raises(MatchError) as error:
        match_files(*(files[::-1] if swapped else files), SETTINGS)
    assert str(error.value).startswith(f"{walls / name}: ")


def test_a_picture_that_cannot_be_written_is_named(walls, tmp_path):
    (tmp_path / "file").write_text("in the way")
    picture = tmp_path / "file" / "match.png"
    with pytest.raises(MatchError, match=r"file/match\.png: "):
        match_files(walls / "first.jpg", walls / "second.jpg", SETTINGS, picture)
