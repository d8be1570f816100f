import csv
import hashlib
from collections import Counter

import pytest
from stage_runs import Run, read_outputs
from tiny_run import BROKEN_ID, OVERLAPPING_CLASS, QUERIES, WRONG_LABEL_ID

from manifests.gldv2_csv import read_train_clean_csv
from manifests.manifest_json import read_manifest
from pipelines.decision_log import import_decisions

HEADER = ("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at")


def _manifest(run):
    return read_manifest(run.run_dir / "manifests/manifest.json")


def _with(run, **emit):
    return Run(
        run.config.model_copy(update={"emit": run.config.emit.model_copy(update=emit)}), run.run_dir
    )


def _decide(run, tmp_path, decision, wanted=lambda row: True, reviewer="ana"):
    """Decide alike on all candidates wanted, and emit."""
    chosen = [row for row in run.rows("candidates") if wanted(row)]
    assert chosen
    path = tmp_path / f"{reviewer}-{decision}.csv"
    rows = [
        (r["eval_set"], r["query_id"], r["image_id"], reviewer, decision, "2026-05-01T12:00:00Z")
        for r in chosen
    ]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADER, *rows])
    import_decisions(run.run_dir, path)
    assert run.finish()["emit"] == ["manifests"]


def _matches(row):
    return row["verdict"] == "match"


def test_without_decisions_nothing_is_removed_and_everything_is_pending(tiny_run):
    manifest = _manifest(tiny_run)
    assert manifest.removed_classes == ()
    assert manifest.pending == len(tiny_run.rows("candidates")) > 0
    assert manifest.counts == manifest.gldv2_clean
    assert tiny_run.manifest_rows("rgldv2_clean") == tiny_run.manifest_rows("gldv2_clean")
    assert "overlap" not in manifest.removed


def test_every_ingested_image_is_kept_or_removed_with_its_reason(tiny_run):
    ingested = [row["image_id"] for row in tiny_run.rows("images")]
    kept = [row["image_id"] for row in tiny_run.manifest_rows("rgldv2_clean")]
    removed = tiny_run.manifest_rows("removed")
    assert sorted(kept + [row["image_id"] for row in removed]) == sorted(ingested)
    by_reason = Counter((row["stage"], row["reason"]) for row in removed)
    manifest = _manifest(tiny_run)
    listed = {(s, r): n for s, reasons in manifest.removed.items() for r, n in reasons.items()}
    assert listed == by_reason
    assert manifest.ingested == manifest.counts.images + sum(listed.values())


@pytest.mark.parametrize(
    ("image", "stage", "reason", "evidence"),
    [
        (BROKEN_ID, "ingest", "truncated", "does not decode to its end"),
        (WRONG_LABEL_ID, "clean", "no_verified_neighbour", "Verified neighbours: 0."),
    ],
)
def test_a_removed_image_has_evidence_in_words(tiny_run, image, stage, reason, evidence):
    (row,) = [row for row in tiny_run.manifest_rows("removed") if row["image_id"] == image]
    assert (row["stage"], row["reason"]) == (stage, reason)
    assert evidence in row["evidence"]


def test_the_digests_are_those_of_all_other_files(tiny_run):
    folder = tiny_run.run_dir / "manifests"
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert _manifest(tiny_run).digests == found
    assert _manifest(tiny_run).config_digest == tiny_run.config.digest


def test_classes_are_numbered_without_gaps_by_ascending_id(own_run, tmp_path):
    _decide(own_run, tmp_path, "same", _matches)
    for folder, ids in (("gldv2_clean", [101, 102, 103]), ("rgldv2_clean", [101, 102])):
        rows = own_run.manifest_rows(folder)
        numbers = {row["landmark_id"]: row["class_index"] for row in rows}
        assert numbers == {landmark_id: number for number, landmark_id in enumerate(ids)}
        assert {(r["landmark_id"], r["class_index"]) for r in rows} == set(numbers.items())


@pytest.mark.parametrize("folder", ["gldv2_clean", "rgldv2_clean"])
def test_the_csv_in_the_field_s_own_form_lists_the_same_images(own_run, tmp_path, folder):
    _decide(own_run, tmp_path, "same", _matches)
    classes = {}
    for row in own_run.manifest_rows(folder):
        classes.setdefault(row["landmark_id"], []).append(row["image_id"])
    path = own_run.run_dir / "manifests" / folder / "train_clean.csv"
    assert read_train_clean_csv(path) == {c: tuple(sorted(ids)) for c, ids in classes.items()}


def test_each_class_has_images_for_validation_and_the_counts_say_how_many(tiny_run):
    rows = tiny_run.manifest_rows("rgldv2_clean")
    counts = _manifest(tiny_run).counts
    for split in ("train", "val"):
        in_split = [row for row in rows if row["split"] == split]
        assert counts.splits[split].images == len(in_split)
        assert counts.splits[split].classes == len({row["landmark_id"] for row in in_split}) == 3
    assert {row["split"] for row in rows} == {"train", "val"}


def test_a_row_of_a_manifest_is_the_row_of_the_image(tiny_run):
    images = {row["image_id"]: row for row in tiny_run.rows("images")}
    verdicts = {row["image_id"]: row for row in tiny_run.rows("verdicts")}
    for row in tiny_run.manifest_rows("gldv2_clean"):
        image = images[row["image_id"]]
        for name in (
            "landmark_id",
            "landmark_name",
            "shard",
            "member",
            "offset",
            "sha256",
            "title",
        ):
            assert row[name] == image[name]
        verdict = verdicts[row["image_id"]]
        assert row["num_verified_neighbours"] == verdict["num_verified_neighbours"]


@pytest.mark.parametrize("policy", ["paper", "confirmed", "strict"])
def test_a_confirmed_overlap_removes_the_whole_class(own_run, tmp_path, policy):
    run = _with(own_run, policy=policy)
    _decide(run, tmp_path, "same", _matches)
    manifest = _manifest(run)
    (removed,) = manifest.removed_classes
    assert (removed.landmark_id, removed.images) == (OVERLAPPING_CLASS, 4)
    assert (removed.queries, removed.reviewers) == ((f"tiny/{QUERIES[0]}",), ("ana",))
    assert manifest.counts.images == manifest.gldv2_clean.images - removed.images
    kept = {row["landmark_id"] for row in run.manifest_rows("rgldv2_clean")}
    assert OVERLAPPING_CLASS not in kept
    assert manifest.removed["overlap"] == {removed.reason: 4}
    assert "confirmed by ana" in removed.evidence


@pytest.mark.parametrize(("policy", "num_removed"), [("paper", 0), ("confirmed", 0), ("strict", 1)])
def test_what_nobody_refused_goes_under_the_strict_policy_only(own_run, policy, num_removed):
    run = _with(own_run, policy=policy)
    run.finish()
    assert len(_manifest(run).removed_classes) == num_removed


@pytest.mark.parametrize("policy", ["paper", "confirmed", "strict"])
def test_a_refused_overlap_stays(own_run, tmp_path, policy):
    run = _with(own_run, policy=policy)
    _decide(run, tmp_path, "different")
    assert _manifest(run).removed_classes == ()
    assert _manifest(run).pending == 0


@pytest.mark.parametrize("policy", ["paper", "confirmed", "strict"])
def test_a_confirmed_name_removes_its_class_under_every_policy(own_run, tmp_path, policy):
    run = _with(own_run, policy=policy)
    _decide(run, tmp_path, "different", lambda row: row["source"] == "visual")
    _decide(run, tmp_path, "same", lambda row: row["source"] == "text")
    (removed,) = _manifest(run).removed_classes
    assert (removed.landmark_id, removed.reason) == (OVERLAPPING_CLASS, "text_confirmed")


def test_a_decision_taken_back_brings_the_class_back(own_run, tmp_path):
    before = read_outputs(own_run.run_dir)
    _decide(own_run, tmp_path, "same", _matches)
    assert len(_manifest(own_run).removed_classes) == 1
    _decide(own_run, tmp_path, "different", _matches)
    after = read_outputs(own_run.run_dir)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"manifests/manifest.json"}  # what is pending, and the parents
    assert _manifest(own_run).removed_classes == ()


def test_confirmations_of_several_people_can_be_asked_for(own_run, tmp_path):
    run = _with(own_run, min_confirmations=2, policy="confirmed")
    _decide(run, tmp_path, "same", _matches)
    assert _manifest(run).removed_classes == ()
    _decide(run, tmp_path, "same", _matches, reviewer="bo")
    assert _manifest(run).removed_classes[0].reviewers == ("ana", "bo")


def test_a_decision_on_no_candidate_is_counted_and_removes_nothing(own_run, tmp_path):
    path = tmp_path / "stray.csv"
    stray = ("tiny", QUERIES[1], WRONG_LABEL_ID, "ana", "same", "2026-05-01T12:00:00Z")
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADER, stray])
    import_decisions(own_run.run_dir, path)
    own_run.finish()
    assert _manifest(own_run).unmatched_decisions == 1
    assert _manifest(own_run).removed_classes == ()


def test_a_new_decision_makes_the_manifests_pending_and_nothing_else(own_run, tmp_path):
    assert own_run.waiting("emit") == []
    path = tmp_path / "empty.csv"
    path.write_text(",".join(HEADER) + "\n")
    import_decisions(own_run.run_dir, path)
    done = own_run.finish()
    assert [step for step, units in done.items() if units] == ["emit"]


def test_another_seed_holds_out_other_images_and_keeps_the_same(own_run):
    before = own_run.manifest_rows("rgldv2_clean")
    run = _with(own_run, seed=3)
    run.finish()
    after = run.manifest_rows("rgldv2_clean")
    assert [row["image_id"] for row in after] == [row["image_id"] for row in before]
    assert [row["split"] for row in after] != [row["split"] for row in before]


@pytest.mark.parametrize("policy", ["paper", "confirmed", "strict"])
def test_removing_images_takes_the_confirmed_ones_and_leaves_their_class(own_run, tmp_path, policy):
    run = _with(own_run, policy=policy, removes="images")
    chosen = next(row["image_id"] for row in run.rows("candidates") if _matches(row))
    _decide(run, tmp_path, "different", lambda row: row["image_id"] != chosen)
    _decide(run, tmp_path, "same", lambda row: row["image_id"] == chosen and _matches(row))
    manifest = _manifest(run)
    assert manifest.removed_classes == ()
    (reduced,) = manifest.reduced_classes
    assert (reduced.landmark_id, reduced.images) == (OVERLAPPING_CLASS, 1)
    before = {row["image_id"] for row in run.manifest_rows("gldv2_clean")}
    assert {row["image_id"] for row in run.manifest_rows("rgldv2_clean")} == before - {chosen}
    (row,) = [row for row in run.manifest_rows("removed") if row["image_id"] == chosen]
    assert (row["stage"], row["reason"]) == ("overlap", reduced.reason)
    assert "confirmed by ana" in row["evidence"]


def test_removing_all_images_of_a_class_leaves_no_gap_in_the_numbers(own_run, tmp_path):
    run = _with(own_run, policy="confirmed", removes="images")
    _decide(run, tmp_path, "same", lambda row: row["landmark_id"] == 101 or _matches(row))
    rows = run.manifest_rows("rgldv2_clean")
    left = sorted({row["landmark_id"] for row in rows})
    assert {row["class_index"] for row in rows} == set(range(len(left)))
    assert _manifest(run).counts.classes == len(left)
