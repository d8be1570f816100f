"""The way from files to the split: numbers that must add up."""

from collections import Counter

from cleanmark.reporting.funnel import trace_funnel
from cleanmark.reporting.tables import ImageTallies, VerdictTallies
from manifests.manifest_json import Manifest, ManifestCounts, SplitCounts


def count(images, classes):
    splits = {name: SplitCounts(images=0, classes=0) for name in ("train", "val")}
    return ManifestCounts(images=images, classes=classes, splits=splits)


def make_manifest(removed, clean, final, ingested=20):
    return Manifest(
        counts=final,
        gldv2_clean=clean,
        ingested=ingested,
        removed=removed,
        digests={},
        config_digest="",
        code_version="",
        policy={},
        parents={},
        removed_classes=(),
        calibration=None,
        ties=(),
        pending=0,
        unmatched_decisions=0,
    )


IMAGES = ImageTallies(ingested=Counter({1: 9, 2: 9, None: 2}), usable=Counter({1: 9, 2: 8}))
VERDICTS = VerdictTallies(clean=Counter({1: 7, 2: 6}))
REMOVED = {
    "ingest": {"unlisted": 2, "truncated": 1},
    "clean": {"no_verified_neighbour": 4, "cross_class_duplicate": 2},
    "overlap": {"visual_majority": 5},
}


def test_every_step_balances_and_hands_on_what_it_keeps():
    funnel = trace_funnel(make_manifest(REMOVED, count(11, 2), count(6, 1)), IMAGES, VERDICTS)
    assert [(s.num_in, s.num_dropped, s.num_kept) for s in funnel] == [
        (20, 3, 17),
        (17, 4, 13),
        (13, 2, 11),
        (11, 5, 6),
    ]
    assert [s.num_unexplained for s in funnel] == [0, 0, 0, 0]
    reasons = [drop.reason for step in funnel for drop in step.drops]
    assert reasons == [
        "unlisted", "truncated", "no_verified_neighbour", "cross_class_duplicate",
        "visual_majority",
    ]  # fmt: skip


def test_without_copies_elsewhere_there_is_no_such_step():
    removed = REMOVED | {"clean": {"no_verified_neighbour": 4}}
    funnel = trace_funnel(make_manifest(removed, count(13, 2), count(8, 1)), IMAGES, VERDICTS)
    assert [s.title for s in funnel] == ["Usable", "Verified", "Without overlap"]


def test_what_does_not_add_up_is_named_and_not_hidden():
    removed = REMOVED | {"clean": {"no_verified_neighbour": 3}}
    funnel = trace_funnel(make_manifest(removed, count(13, 2), count(8, 1)), IMAGES, VERDICTS)
    assert [s.num_unexplained for s in funnel] == [0, 1, 0]


def test_an_empty_run():
    manifest = make_manifest({}, count(0, 0), count(0, 0), ingested=0)
    funnel = trace_funnel(manifest, ImageTallies(), VerdictTallies())
    assert all(step.share_of_all == 0.0 for step in funnel)
