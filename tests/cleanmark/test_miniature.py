import csv
import hashlib
import json
import pickle
import re
import tarfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from cleanmark.miniature import TINY, MiniatureSettings, build_miniature
from cleanmark.miniature.camera import aim_camera, clip_to_view
from cleanmark.miniature.light import Light
from cleanmark.miniature.materials import Material
from cleanmark.miniature.photograph import take_photograph
from cleanmark.miniature.place import PlaceSpec, build_place
from cleanmark.miniature.planting import choose_cast
from cleanmark.miniature.rasteriser import rasterise
from cleanmark.miniature.seeding import make_generator
from cleanmark.miniature.solids import make_point, make_wall

PLANTS = {
    "broken: not an image",
    "broken: truncated JPEG",
    "class named after Valmere, not in Valmere",
    "format: EXIF orientation 6",
    "format: PNG",
    "format: greyscale",
    "hard view: extreme angle",
    "hard view: far zoom",
    "hard view: night",
    "look-alike",
    "near duplicate: half size",
    "near duplicate: one more byte",
    "near duplicate: re-encoded",
    "near duplicate: rotated by 4 degrees",
    "near duplicate: rotated by 90 degrees",
    "picture frame on an unrelated photograph",
    "same landmark under a second class",
    "unrelated photograph in a class with a telling name",
    "watermark on an unrelated photograph",
    "wrong label: a photograph",
    "wrong label: unrelated photograph",
}
NOON = Light(
    to_sun=np.array([0.0, -0.7, 0.7]),
    sun=(0.5, 0.5, 0.5),
    sky=(0.5, 0.5, 0.5),
    haze=(0.8, 0.8, 0.8),
    haze_per_metre=1e-6,
)


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def read_members(root):
    members = {}
    for path in sorted((root / "train").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                members[member.name] = tar.extractfile(member).read()
    return members


def find_planted(root, phrase):
    """The truth's row and the bytes of the first picture with this plant."""
    rows = [row for row in read_rows(root / "truth.csv") if row["planted"].startswith(phrase)]
    row = rows[0]
    name = row["image_id"]
    return row, read_members(root)[f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg"]


def digest_files(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("miniature") / "tiny"
    return root, build_miniature(root, TINY)


def test_bytes_do_not_depend_on_the_number_of_workers(tiny, tmp_path):
    root, summary = tiny
    assert build_miniature(tmp_path / "again", TINY, workers=2) == summary
    assert digest_files(tmp_path / "again") == digest_files(root)


def test_train_shards_follow_the_layout_and_their_md5(tiny):
    root, _ = tiny
    shards = sorted(path.name for path in (root / "train").iterdir())
    assert shards == [f"images_{n:03d}.tar" for n in range(TINY.num_shards)]
    for shard in shards:
        sums = (root / "md5sum" / "train" / f"md5.{shard[:-4]}.txt").read_text()
        content = (root / "train" / shard).read_bytes()
        assert sums == f"{hashlib.md5(content).hexdigest()}  {shard}\n"
    for name in read_members(root):
        a, b, c, file_name = name.split("/")
        assert re.fullmatch(r"[0-9a-f]{16}\.jpg", file_name)
        assert file_name.startswith(a + b + c)


def test_tables_name_every_member_and_nothing_else(tiny):
    root, summary = tiny
    members = {Path(name).stem for name in read_members(root)}
    labels = read_rows(root / "metadata" / "train.csv")
    credits_ = read_rows(root / "metadata" / "train_attribution.csv")
    truth = read_rows(root / "truth.csv")
    assert list(labels[0]) == ["id", "url", "landmark_id"]
    assert list(credits_[0]) == ["id", "url", "author", "license", "title"]
    assert list(truth[0]) == ["image_id", "landmark_id", "place_shown", "label_correct", "planted"]
    assert [row["id"] for row in labels] == sorted(members)
    assert [row["id"] for row in credits_] == sorted(members)
    assert [(row["image_id"], row["landmark_id"]) for row in truth] == [
        (row["id"], row["landmark_id"]) for row in labels
    ]
    evaluation = list((root / "eval" / "jpg").iterdir())
    assert summary.num_images == len(members) + len(evaluation)


def test_classes_have_categories_and_odd_numbers(tiny):
    root, summary = tiny
    categories = read_rows(root / "metadata" / "train_label_to_category.csv")
    overlaps = read_rows(root / "overlap_truth.csv")
    ids = [row["landmark_id"] for row in categories]
    assert len(set(ids)) == summary.num_classes == TINY.num_landmarks
    assert len({len(landmark_id) for landmark_id in ids}) > 1
    assert {row["landmark_id"] for row in read_rows(root / "metadata" / "train.csv")} == set(ids)
    prefix = "http://commons.wikimedia.org/wiki/Category:"
    assert [row["category"] for row in categories] == [prefix + row["landmark"] for row in overlaps]
    assert any("%" in row["category"] for row in categories)
    assert not any(" " in row["category"] for row in categories)


def test_overlap_truth_names_the_classes_that_queries_show(tiny):
    root, _ = tiny
    truth = json.loads((root / "eval" / "gnd_miniworld.json").read_text())
    queried = {name.rsplit("_", 1)[0] for name in truth["qimlist"]}
    shown = {}
    for row in read_rows(root / "truth.csv"):
        if row["label_correct"] == "1":
            shown.setdefault(row["landmark_id"], set()).add(row["place_shown"])
    overlaps = read_rows(root / "overlap_truth.csv")
    flagged = {row["landmark_id"] for row in overlaps if row["shown_in_queries"] == "1"}
    assert flagged == {landmark_id for landmark_id, places in shown.items() if places & queried}
    places = [frozenset(shown[landmark_id]) for landmark_id in flagged]
    assert len(set(places)) == len(places) - 1, "exactly one landmark has two classes"


def test_every_kind_of_plant_is_present(tiny):
    root, summary = tiny
    assert set(summary.planted) == PLANTS
    planted = [row for row in read_rows(root / "truth.csv") if row["planted"]]
    assert sum(summary.planted.values()) == len(planted)
    wrong = ("wrong label", "watermark", "picture frame", "unrelated", "broken")
    for row in planted:
        assert row["label_correct"] == ("0" if row["planted"].startswith(wrong) else "1")


def test_unrelated_scenes_are_shown_once_each():
    cast = choose_cast(MiniatureSettings())
    shown = [shot.place.name for shot in (*cast.train, *cast.database)]
    unrelated = [name for name in shown if name.startswith("unrelated")]
    assert len(unrelated) == len(set(unrelated)) > 60


def test_default_cast_keeps_to_its_settings():
    settings = MiniatureSettings()
    cast = choose_cast(settings)
    views = {landmark.landmark_id: 0 for landmark in cast.classes}
    for shot in cast.train:
        views[shot.landmark_id] += 1
    assert len(cast.classes) == settings.num_landmarks
    assert min(views.values()) >= settings.min_views
    assert (len(cast.queries), len(cast.database)) == (14, 25)
    mislabelled = sum(
        "unrelated photograph" in s.planted and "wrong" in s.planted for s in cast.train
    )
    assert 0.06 < mislabelled / len(cast.train) < 0.1


@pytest.mark.parametrize("phrase", sorted(PLANTS - {"broken: not an image"}))
def test_pictures_decode_unless_truth_says_otherwise(tiny, phrase):
    _, content = find_planted(tiny[0], phrase)
    image = Image.open(BytesIO(content))
    if phrase.startswith("broken"):
        with pytest.raises(OSError, match="truncated"):
            image.load()
    else:
        image.load()
        assert max(image.size) <= TINY.image_long_side_px


def test_odd_formats_are_what_truth_says(tiny):
    root, _ = tiny
    assert find_planted(root, "broken: not an image")[1].startswith(b"<!DOCTYPE html>")
    assert find_planted(root, "format: PNG")[1].startswith(b"\x89PNG")
    assert Image.open(BytesIO(find_planted(root, "format: greyscale")[1])).mode == "L"
    turned = Image.open(BytesIO(find_planted(root, "format: EXIF")[1]))
    assert turned.getexif()[0x0112] == 6


def test_near_duplicates_are_made_of_their_originals(tiny):
    root, _ = tiny
    files = {Path(name).stem: content for name, content in read_members(root).items()}
    row, content = find_planted(root, "near duplicate: one more byte")
    assert content[:-1] == files[row["planted"].split()[-1]]
    row, content = find_planted(root, "near duplicate: rotated by 90 degrees")
    original = Image.open(BytesIO(files[row["planted"].split()[-1]])).convert("L")
    turned = np.rot90(np.asarray(original, np.float32))
    copy = np.asarray(Image.open(BytesIO(content)).convert("L"), np.float32)
    assert np.abs(turned - copy).mean() < 5


def test_ground_truth_is_sound(tiny):
    root, summary = tiny
    truth = json.loads((root / "eval" / "gnd_miniworld.json").read_text())
    assert pickle.loads((root / "eval" / "gnd_miniworld.pkl").read_bytes()) == truth
    assert len(truth["qimlist"]) == len(truth["gnd"]) == summary.num_queries
    stored = {path.stem for path in (root / "eval" / "jpg").iterdir()}
    assert stored == {*truth["imlist"], *truth["qimlist"]}
    for name, judged in zip(truth["qimlist"], truth["gnd"], strict=True):
        assert judged.keys() == {"bbx", "easy", "hard", "junk"}
        indices = [*judged["easy"], *judged["hard"], *judged["junk"]]
        assert len(set(indices)) == len(indices)
        assert judged["easy"], "every query has something to find"
        place = name.rsplit("_", 1)[0]
        views = [i for i, image in enumerate(truth["imlist"]) if image.startswith(place)]
        assert sorted(indices) == views
        left, top, right, bottom = judged["bbx"]
        with Image.open(root / "eval" / "jpg" / f"{name}.jpg") as image:
            width, height = image.size
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert (right - left) * (bottom - top) > 0.05 * width * height


def test_finished_miniature_is_found_again_without_drawing(tiny):
    root, summary = tiny
    before = digest_files(root)
    calls = []
    assert build_miniature(root, TINY, progress=lambda *call: calls.append(call)) == summary
    assert calls == []
    assert digest_files(root) == before


def test_foreign_folders_are_refused(tiny, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds no finished miniature"):
        build_miniature(tmp_path, TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(FileExistsError, match="another miniature"):
        build_miniature(tiny[0], TINY.model_copy(update={"seed": 99}))


def test_failure_leaves_nothing_behind(tmp_path):
    def fail(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_miniature(tmp_path / "out", TINY, progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_settings_are_checked(tmp_path):
    with pytest.raises(ValidationError, match="max_views is 5, below min_views"):
        MiniatureSettings(min_views=9, max_views=5)
    with pytest.raises(ValueError, match="workers is 0"):
        build_miniature(tmp_path / "out", TINY, workers=0)


def count_homography_inliers(image_a, image_b):
    sift = cv2.SIFT_create(1500)
    points_a, described_a = sift.detectAndCompute(cv2.cvtColor(image_a, cv2.COLOR_RGB2GRAY), None)
    points_b, described_b = sift.detectAndCompute(cv2.cvtColor(image_b, cv2.COLOR_RGB2GRAY), None)
    pairs = cv2.BFMatcher().knnMatch(described_a, described_b, k=2)
    good = [best for best, second in pairs if best.distance < 0.8 * second.distance]
    if len(good) < 4:
        return 0
    from_points = np.float32([points_a[match.queryIdx].pt for match in good])
    to_points = np.float32([points_b[match.trainIdx].pt for match in good])
    _, mask = cv2.findHomography(from_points, to_points, cv2.RANSAC, 6.0)
    return int(mask.sum())


def test_views_of_one_place_match_and_look_alikes_do_not():
    twins = [PlaceSpec(name, "gate", "architect") for name in ("east", "west")]
    east, west = (build_place(twin, 5, 480) for twin in twins)
    views = [take_photograph(make_generator(5, n), east, "ordinary", 480).pixels for n in range(2)]
    other = take_photograph(make_generator(5, 0), west, "ordinary", 480).pixels
    assert count_homography_inliers(*views) >= 30
    assert count_homography_inliers(views[0], other) < 15


def make_camera(position=(3.0, -20.0, 1.7)):
    target = make_point(0, 0, 4)
    return aim_camera(np.array(position), target, focal_px=100, size_px=(160, 120))


@given(st.floats(-8, 8), st.floats(0, 9), st.floats(-15, 15), st.floats(-40, -12))
def test_plane_homography_agrees_with_projection(u, v, x, y):
    camera = make_camera((x, y, 2.0))
    origin, step_u, step_v = make_point(1, 0.5, 0), make_point(1, 0, 0), make_point(0, 0, 1)
    point = origin + u * step_u + v * step_v
    expected = camera.to_pixels(camera.to_camera(point[None]))[0]
    mapped = camera.map_plane(origin, step_u, step_v) @ [u, v, 1]
    np.testing.assert_allclose(mapped[:2] / mapped[2], expected, atol=1e-6)
    a, b, c = camera.find_inverse_depth(origin, np.cross(step_u, step_v))
    depth = camera.to_camera(point[None])[0, 2]
    assert a * expected[0] + b * expected[1] + c == pytest.approx(1 / depth)


def test_camera_sees_its_target_in_the_middle():
    camera = make_camera()
    pixels = camera.to_pixels(camera.to_camera(np.array([[0.0, 0, 4], [0.0, 0, 6]])))
    np.testing.assert_allclose(pixels[0], [80, 60])
    assert pixels[1][1] < 60, "up in the world is up in the picture"


def test_clipping_keeps_what_is_in_view_and_cuts_what_is_behind():
    camera = make_camera()
    inside = camera.to_camera(np.array([[-1.0, 0, 3], [1, 0, 3], [1, 0, 5], [-1, 0, 5]]))
    np.testing.assert_array_equal(clip_to_view(inside, camera), inside)
    ground = camera.to_camera(np.array([[-99.0, -99, 0], [99, -99, 0], [99, 99, 0], [-99, 99, 0]]))
    clipped = clip_to_view(ground, camera)
    assert len(clipped) >= 3
    assert clipped[:, 2].min() > 0
    assert len(clip_to_view(-inside, camera)) == 0


def make_painted_wall(y, colour):
    material = Material(np.full((40, 40, 3), colour, np.uint8))
    return make_wall(make_point(-4, y, 0), make_point(4, y, 0), 8, material)


@pytest.mark.parametrize("order", [1, -1])
def test_nearer_walls_hide_farther_ones(order):
    near, far = make_painted_wall(-2, (200, 10, 10)), make_painted_wall(3, (10, 10, 200))
    sky = np.ones((120, 160, 3), np.float32)
    frame = rasterise([near, far][::order], make_camera(), NOON, sky)
    red, _, blue = frame.colour[60, 80]
    assert red > 10 * blue
    assert frame.inverse_depth[60, 80] == pytest.approx(1 / 18, rel=0.05)
    assert frame.inverse_depth[0, 0] == 0
