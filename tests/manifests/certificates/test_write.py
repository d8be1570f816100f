"""What is written, and what is refused."""

from dataclasses import replace

import pytest
from small_certificates import (
    IMAGE_IDS,
    NUM_IMAGES,
    UNREAD,
    finding,
    probe_rows,
    sha256,
    small_facts,
    small_tables,
    table,
    training_rows,
    with_rows,
    write_small_certificate,
)

from manifests.certificates.covered_tables import (
    EVALUATION_IMAGES,
    FINDINGS,
    PROBES,
    TRAINING_ROWS,
    UNCOVERED,
)
from manifests.input_error import InputError

FILES = {
    "certificate.json",
    "certificate/evaluation_images.tsv",
    "certificate/findings.tsv",
    "certificate/probes.tsv",
    "certificate/training_rows.tsv",
    "certificate/uncovered.tsv",
}


def read_all(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_counts_are_those_of_the_tables(tmp_path):
    certificate = write_small_certificate(tmp_path)
    assert read_all(tmp_path).keys() == FILES
    training = certificate.training
    assert (training.num_images, training.num_classes) == (NUM_IMAGES, 4)
    assert certificate.coverage.uncovered == {"no_file": 1}
    assert certificate.findings == {"overlap": 0, "undecided": 0, "refused": 2}
    sides = [(s.name, s.num_queries, s.num_database) for s in certificate.evaluations]
    assert sides == [("roxford5k", 3, 0), ("tiny", 3, 1)]
    found = {(part.eval_set, part.kind): (part.found, part.planted) for part in certificate.recall}
    assert found["tiny", "cropped"] == (18, 20)
    assert [(part.accepted, part.trials) for part in certificate.controls] == [(1, 40)] * 2
    assert certificate.verdict.passed


def test_the_order_of_rows_and_facts_changes_no_byte(tmp_path):
    write_small_certificate(tmp_path / "a")
    tables = small_tables()
    turned = {name: rows.take(list(range(len(rows)))[::-1]) for name, rows in vars(tables).items()}
    facts = small_facts().model_dump()
    write_small_certificate(
        tmp_path / "b",
        tables=replace(tables, **turned),
        evaluations=facts["evaluations"][::-1],
        canaries=facts["canaries"][::-1],
    )
    assert read_all(tmp_path / "a") == read_all(tmp_path / "b")


def test_a_planted_leak_cannot_pass(tmp_path):
    tables = with_rows(small_tables(), findings=(FINDINGS, [finding(7, "overlap")]))
    certificate = write_small_certificate(tmp_path, tables=tables)
    assert not certificate.verdict.passed
    assert (
        "overlaps of an image of the list with an evaluation query: 1" in certificate.verdict.reason
    )


def test_the_file_of_a_query_cannot_be_passed_over(tmp_path):
    leaked = ("leaked", "1", sha256("tiny1"))
    rows = {"training": (TRAINING_ROWS, [*training_rows(), leaked])}
    with pytest.raises(InputError, match="leaked is the file of an evaluation image"):
        write_small_certificate(tmp_path, tables=with_rows(small_tables(), **rows))
    rows["findings"] = (FINDINGS, [("leaked", "1", *finding(1, "overlap")[2:])])
    certificate = write_small_certificate(tmp_path, tables=with_rows(small_tables(), **rows))
    assert not certificate.verdict.passed


def test_a_blind_method_cannot_pass(tmp_path):
    blind = [(*row[:-1], False) for row in probe_rows()]
    tables = with_rows(small_tables(), probes=(PROBES, blind))
    assert not write_small_certificate(tmp_path, tables=tables).verdict.passed


def test_a_kind_that_was_not_planted_counts_as_none_of_none(tmp_path):
    rare = {"kind": "rare", "words": "Rare."}
    kinds = [*small_facts().model_dump()["canaries"], rare]
    certificate = write_small_certificate(tmp_path, canaries=kinds)
    rare = [part for part in certificate.recall if part.kind == "rare"]
    assert [(part.found, part.planted, part.low, part.high) for part in rare] == [
        (0, 0, "0.000000", "1.000000")
    ] * 2


def test_names_with_tabs_and_ends_of_lines(tmp_path):
    rows = [*training_rows(), ("a\tb\nc\\d", "Tour\r", "1" * 64)]
    tables = with_rows(small_tables(), training=(TRAINING_ROWS, rows))
    assert write_small_certificate(tmp_path, tables=tables).training.num_images == NUM_IMAGES + 1


ABOUT_1 = finding(1, "refused")
CONTRADICTIONS = [
    (TRAINING_ROWS, [*training_rows(), (IMAGE_IDS[0], "9", "1" * 64)], "twice"),
    (UNCOVERED, [], f"image {IMAGE_IDS[UNREAD]} has no digest"),
    (UNCOVERED, [(IMAGE_IDS[3], "a"), (IMAGE_IDS[3], "b")], "twice"),
    (UNCOVERED, [(IMAGE_IDS[3], "a"), ("stray", "b")], "stray is not in"),
    (FINDINGS, [("stray", *ABOUT_1[1:])], "stray is not in"),
    (FINDINGS, [finding(1, "maybe")], "'maybe' is none of overlap"),
    (FINDINGS, [(IMAGE_IDS[1], "9", *ABOUT_1[2:])], "label '9'"),
    (FINDINGS, [ABOUT_1, (IMAGE_IDS[1], "9", *ABOUT_1[2:])], "has two labels"),
    (FINDINGS, [(*ABOUT_1[:2], "x", *ABOUT_1[3:])], "'x' is no set"),
    (EVALUATION_IMAGES, [("tiny", "query", "q", None, None)], "is no set"),
    (EVALUATION_IMAGES, [("tiny", "guest", "q", None, None)], "'guest'"),
    (PROBES, [("canary", "odd", "p", "tiny", "q", True)], "'odd'"),
    (PROBES, [("canary", "cropped", "p", "tiny", "q", "yes")], "'yes'"),
    (PROBES, [("canary", "cropped", IMAGE_IDS[0], "tiny", "q", True)], "image of the training"),
]
NAMES = {
    TRAINING_ROWS: "training",
    EVALUATION_IMAGES: "evaluation",
    UNCOVERED: "uncovered",
    FINDINGS: "findings",
    PROBES: "probes",
}


@pytest.mark.parametrize(("layout", "rows", "problem"), CONTRADICTIONS)
def test_tables_that_contradict_one_another(tmp_path, layout, rows, problem):
    tables = with_rows(small_tables(), **{NAMES[layout]: (layout, rows)})
    with pytest.raises(InputError, match=problem):
        write_small_certificate(tmp_path, tables=tables)
    assert not (tmp_path / "certificate.json").exists()


def test_an_earlier_certificate_is_replaced_and_nothing_else(tmp_path):
    write_small_certificate(tmp_path)
    assert not write_small_certificate(tmp_path, passed=False).verdict.passed
    assert read_all(tmp_path).keys() == FILES
    (tmp_path / "certificate" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds mine.txt"):
        write_small_certificate(tmp_path)
    assert (tmp_path / "certificate" / "mine.txt").read_text() == "mine"


def test_tables_that_are_refused_leave_an_earlier_certificate_alone(tmp_path):
    write_small_certificate(tmp_path)
    before = read_all(tmp_path)
    tables = with_rows(small_tables(), uncovered=(UNCOVERED, []))
    with pytest.raises(InputError, match="has no digest"):
        write_small_certificate(tmp_path, tables=tables)
    assert read_all(tmp_path) == before


def test_nothing_found_and_nothing_left_out(tmp_path):
    rows = [row for row in training_rows() if row[2] is not None]
    tables = replace(
        small_tables(),
        training=table(TRAINING_ROWS, rows),
        uncovered=table(UNCOVERED, []),
        findings=table(FINDINGS, []),
    )
    certificate = write_small_certificate(tmp_path, tables=tables)
    assert certificate.coverage.examined == certificate.coverage.listed == NUM_IMAGES - 1
