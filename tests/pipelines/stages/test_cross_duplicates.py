import pytest
from crossed_classes import crop, crossed_config, recompress, write_crossed_gldv2
from stage_runs import Run, read_outputs

from manifests.manifest_json import read_manifest
from pipelines.stages import cross_duplicates

NUM_WALLS = 3


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    """Three walls under two classes each: one equal file, the other copies were recompressed."""
    root = tmp_path_factory.mktemp("crossed")
    return write_crossed_gldv2(root, NUM_WALLS, (recompress,), with_exact=True)


@pytest.fixture(scope="module")
def finished(crossed, tmp_path_factory):
    config = crossed_config(crossed.root, duplicates={"max_hash_bits": 2})
    run = Run(config, tmp_path_factory.mktemp("run"))
    run.finish()
    return run


def _with(run, tmp_path, **sections):
    """A run of its own with other settings."""
    updates = {
        name: getattr(run.config, name).model_copy(update=change)
        for name, change in sections.items()
    }
    again = Run(run.config.model_copy(update=updates), tmp_path / "run")
    again.finish()
    return again


def _pairs(run, kind):
    rows = run.rows("cross_duplicates")
    return {(row["image_id_a"], row["image_id_b"]) for row in rows if row["kind"] == kind}


def _manifest(run):
    return read_manifest(run.run_dir / "manifests/manifest.json")


def test_equal_files_and_copies_in_two_classes_are_listed_each_once(finished, crossed):
    assert _pairs(finished, "exact") == crossed.exact
    assert _pairs(finished, "near") == crossed.near
    assert len(finished.rows("cross_duplicates")) == 2 * NUM_WALLS
    for row in finished.rows("cross_duplicates"):
        assert row["image_id_a"] < row["image_id_b"]
        assert row["landmark_id_b"] == row["landmark_id_a"] + 1
        assert row["verdict"] in ("duplicate", "verified")
        assert row["hamming"] <= finished.config.duplicates.max_hash_bits


def test_other_views_of_a_place_are_found_among_the_nearest_neighbours(finished, tmp_path, crossed):
    assert _pairs(finished, "same_scene") == set()
    run = _with(finished, tmp_path, duplicates={"num_neighbours": 20})
    assert _pairs(run, "near") == crossed.near
    assert _pairs(run, "same_scene") == crossed.views


def test_the_manifest_counts_them(finished):
    found = _manifest(finished).cross_duplicates
    assert found.num_pairs == {"exact": 1, "near": 2 * NUM_WALLS - 1, "same_scene": 0}
    assert found.num_dropped == 0
    assert found.describe() == (
        "Across classes: 1 pairs of equal files, 5 of copies, 0 of one scene; 0 images left."
    )


@pytest.mark.parametrize(
    ("rule", "num_left"), [("report", 4 * NUM_WALLS), ("keep_larger_class", 2 * NUM_WALLS)]
)
def test_copies_leave_as_the_rule_says_and_each_leaves_a_reason(
    finished, tmp_path, crossed, rule, num_left
):
    run = _with(finished, tmp_path, emit={"cross_class_duplicates": rule})
    kept = {row["image_id"] for row in run.manifest_rows("rgldv2_clean")}
    assert len(kept) == num_left
    gone = {row["image_id"]: row for row in run.manifest_rows("removed")}
    assert kept | gone.keys() == {row["image_id"] for row in run.rows("images")}
    if rule == "report":
        return
    # All classes are of one size here, so the smaller number keeps its image.
    assert gone.keys() == {b for _, b in crossed.exact | crossed.near}
    for a, b in crossed.near:
        assert (gone[b]["stage"], gone[b]["reason"]) == ("clean", "cross_class_duplicate")
        assert gone[b]["evidence"].endswith(f"Copies: {a}.")
    manifest = _manifest(run)
    assert manifest.cross_duplicates.num_dropped == 2 * NUM_WALLS
    assert manifest.removed == {"clean": {"cross_class_duplicate": 2 * NUM_WALLS}}
    assert manifest.gldv2_clean == manifest.counts
    assert manifest.counts.classes == NUM_WALLS


def test_dropping_all_copies_leaves_none(finished, tmp_path):
    run = _with(finished, tmp_path, emit={"cross_class_duplicates": "drop_both"})
    assert run.manifest_rows("rgldv2_clean") == []
    assert _manifest(run).counts.classes == 0


def test_what_is_not_wanted_is_not_planned_and_not_reported(finished, tmp_path):
    run = _with(finished, tmp_path, duplicates={"enabled": False})
    assert run.step("clean.duplicates").plan() == []
    assert _manifest(run).cross_duplicates is None


def test_how_the_images_are_cut_into_units_changes_no_row(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_duplicates, "_IMAGES_PER_UNIT", 5)
    run = _with(finished, tmp_path, runner={"workers": 2})
    assert len(run.step("clean.duplicates").plan()) == 3
    assert run.rows("cross_duplicates") == finished.rows("cross_duplicates")
    ours, others = read_outputs(run.run_dir), read_outputs(finished.run_dir)
    tables = [path for path in others if path.startswith("manifests/") and "json" not in path]
    assert tables
    assert [ours[path] for path in tables] == [others[path] for path in tables]


def test_copies_within_a_class_are_no_verified_neighbours_of_each_other(crossed, tmp_path):
    root = tmp_path / "gldv2"
    # Both classes of a wall made one: four files of two photographs.
    write_crossed_gldv2(root, 1, (recompress,))
    lists = root / "metadata/train.csv"
    lists.write_text(lists.read_text().replace(",1\n", ",0\n").replace(",1\r\n", ",0\r\n"))
    run = Run(crossed_config(root), tmp_path / "run")
    run.finish()
    verdicts = run.rows("verdicts")
    assert {row["landmark_id"] for row in verdicts} == {0}
    assert [row["num_verified_neighbours"] for row in verdicts] == [1] * 4
    assert run.rows("cross_duplicates") == []


def test_of_200_planted_copies_all_but_one_in_a_hundred_are_found_and_no_other_pair(tmp_path):
    crossed = write_crossed_gldv2(tmp_path / "gldv2", 100, (recompress, crop))
    config = crossed_config(
        crossed.root,
        duplicates={"num_neighbours": 5},
    )
    run = Run(config, tmp_path / "run")
    run.finish("clean.duplicates")
    kept = {row["image_id"] for row in run.rows("verdicts") if row["kept"]}
    planted = {pair for pair in crossed.near if kept >= set(pair)}
    assert len(crossed.near) == 200
    assert planted == crossed.near
    found = _pairs(run, "near") | _pairs(run, "exact")
    recall, precision = len(found & planted) / len(planted), len(found & planted) / len(found)
    # Said as well, because the figures are the point.
    print(f"200 copies: recall {recall:.3f}, precision {precision:.3f}")  # noqa: T201
    assert recall >= 0.99
    assert precision >= 0.99
