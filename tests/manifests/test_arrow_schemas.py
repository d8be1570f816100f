from dataclasses import asdict
from enum import EnumType

import pytest

from curation.duplicates import DuplicateGroups
from curation.match_graph import score_both_ways
from curation.named_candidates import propose_text_candidates
from curation.overlap import (
    OverlapSettings,
    ProbeMatch,
    select_visual_candidates,
)
from curation.train_split import ClassImage, CleanSettings, split_class
from manifests import rows
from manifests.arrow_schemas import CANDIDATES, MATCHES, TABLES, VERDICTS
from manifests.parquet_io import read_table, write_rows
from manifests.rows import MEANINGS, PairReason, PairVerdict

ENUMS = [
    rows.ImageStatus,
    rows.PairVerdict,
    rows.PairReason,
    rows.ImageReason,
    rows.DuplicateKind,
    rows.CandidateSource,
    rows.CandidateVerdict,
    rows.Decision,
    rows.RemovalReason,
    rows.ForgetReason,
]
MATCH = {
    "landmark_id": 7,
    "image_id_a": "a",
    "image_id_b": "b",
    "num_features_a": 900,
    "num_features_b": 0,
    "similarity": 0.5,
    "num_tentative": 40,
    "num_inliers": 33,
    "model": "affine",
    "transform": [1.0, 0.0, 5.0, 0.0, 1.0, -5.0],
    "verdict": PairVerdict.VERIFIED,
    "reason": PairReason.ENOUGH_INLIERS,
}


def store(tmp_path, table, rows):
    path = tmp_path / "part.parquet"
    write_rows(path, table, rows)
    return read_table(path, table).to_pylist()


def make_verdicts():
    images = [ClassImage(image_id, has_features=image_id != "d") for image_id in "abcd"]
    settings = CleanSettings(min_verified_neighbours=1)
    scores = score_both_ways("a", "b", 60)
    return split_class(7, images, scores, DuplicateGroups((("b", "c"),)), settings)


def make_probe_match(image_id, verdict, reason, num_inliers):
    model, transform = ("affine", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)) if num_inliers else (None, None)
    return ProbeMatch(
        eval_set="minioxford",
        query_id="q1",
        probe="crop",
        image_id=image_id,
        landmark_id=7,
        similarity=0.25,
        num_features_query=300,
        num_features_image=400,
        num_tentative=50,
        num_inliers=num_inliers,
        model=model,
        transform=transform,
        verdict=verdict,
        reason=reason,
    )


def test_the_verdicts_of_the_cleaning_fit_their_table(tmp_path):
    verdicts = [asdict(verdict) for verdict in make_verdicts()]
    assert store(tmp_path, VERDICTS, verdicts) == verdicts
    assert {verdict["kept"] for verdict in verdicts} == {True, False}
    assert any(verdict["component_id"] is None for verdict in verdicts)
    assert any(verdict["duplicate_of"] is not None for verdict in verdicts)


def test_candidates_of_both_channels_fit_their_table(tmp_path):
    matches = [
        make_probe_match("a", PairVerdict.VERIFIED, PairReason.ENOUGH_INLIERS, 40),
        make_probe_match("b", PairVerdict.REJECTED, PairReason.WATERMARK, 50),
        make_probe_match("c", PairVerdict.REJECTED, PairReason.NO_MODEL, 0),
    ]
    names = {7: "Radcliffe Camera, Oxford"}
    visual = select_visual_candidates(matches, names, OverlapSettings())
    text = list(propose_text_candidates("minioxford", ["oxford"], make_verdicts(), names))
    assert len(visual) == 3
    assert text
    candidates = [asdict(candidate) for candidate in (*visual, *text)]
    stored = store(tmp_path, CANDIDATES, candidates)
    for candidate in candidates:
        if candidate["transform"] is not None:
            candidate["transform"] = list(candidate["transform"])
    assert stored == candidates


@pytest.mark.parametrize(
    "change", [{}, {"model": None, "transform": None}], ids=["with a model", "without"]
)
def test_pairs_fit_their_table(tmp_path, change):
    assert store(tmp_path, MATCHES, [MATCH | change]) == [MATCH | change]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_are_described_and_their_columns_distinct(table):
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert table.description.endswith(".")
    assert all(column.description.strip() for column in table.columns)
    assert table.schema.names == names
    for column in table.columns:
        assert table.schema.field(column.name).nullable == column.nullable
    assert table.version >= 1


def test_table_names_are_distinct():
    assert len({table.name for table in TABLES}) == len(TABLES)


def test_every_enumeration_of_rows_is_listed_here():
    found = {value for value in vars(rows).values() if isinstance(value, EnumType)}
    assert {enum for enum in found if enum.__module__ == rows.__name__} == set(ENUMS)


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_every_word_that_the_tables_use_has_a_meaning_of_its_own(enum):
    for member in enum:
        assert MEANINGS[member].endswith(".")


def test_words_shared_by_two_enumerations_are_told_apart():
    """StrEnum members are equal when their words are; the dictionary must not mix them up."""
    assert rows.PairVerdict.VERIFIED == rows.ImageReason.VERIFIED
    assert MEANINGS[rows.PairVerdict.VERIFIED] != MEANINGS[rows.ImageReason.VERIFIED]
    assert MEANINGS[rows.PairVerdict.REJECTED] != MEANINGS[rows.CandidateVerdict.REJECTED]
    listed = [(type(member), member) for member in MEANINGS]
    assert set(listed) == {(enum, member) for enum in ENUMS for member in enum}
    assert len(listed) == len(MEANINGS) == sum(len(enum) for enum in ENUMS)
