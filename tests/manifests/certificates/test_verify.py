"""Nothing that a certificate covers can be changed without being found."""

import json
import random

import pytest
from small_certificates import IMAGE_IDS, training_rows, write_small_certificate

from manifests.certificates.certificate import digest_content, format_json
from manifests.certificates.covered_tables import COVERED
from manifests.certificates.verify import verify_certificate
from manifests.input_error import InputError
from manifests.lineage import digest_file

TABLES = [table.file_name for table in COVERED]


@pytest.fixture
def folder(tmp_path):
    write_small_certificate(tmp_path)
    return tmp_path


def write_list(path, rows):
    path.write_text("".join(f"{image_id} {label}\n" for image_id, label, _ in rows))
    return path


def forge(folder, change):
    """Alter the content, and make every digest right again."""
    path = folder / "certificate.json"
    content = json.loads(path.read_bytes())
    for name, file in content["files"].items():
        file["sha256"] = digest_file(folder / name)
        file["num_bytes"] = (folder / name).stat().st_size
    change(content)
    path.write_bytes(format_json(content | {"sha256": digest_content(content)}))


@pytest.mark.parametrize("given", ["", "certificate.json"])
def test_a_certificate_as_it_was_written(folder, given):
    check = verify_certificate(folder / given)
    assert check.is_sound
    assert check.certificate.verdict.passed
    assert len(check.checked) == 3


def test_a_verdict_against_the_list_is_sound(tmp_path):
    write_small_certificate(tmp_path, passed=False)
    check = verify_certificate(tmp_path)
    assert check.is_sound
    assert not check.certificate.verdict.passed


@pytest.mark.parametrize("name", TABLES)
def test_bytes_of_every_covered_file(folder, name):
    path = folder / "certificate" / name
    data = path.read_bytes()
    for position in random.Random(name).sample(range(len(data)), min(len(data), 200)):
        altered = bytearray(data)
        altered[position] ^= 1 + position % 255
        path.write_bytes(altered)
        check = verify_certificate(folder)
        assert not check.is_sound
        assert str(path) in check.problems[0]


def test_a_byte_of_the_certificate(folder):
    path = folder / "certificate.json"
    data = path.read_bytes()
    for position in random.Random(0).sample(range(len(data)), 50):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        check = verify_certificate(folder)
        assert not check.is_sound
        assert check.certificate is None
        assert str(path) in check.problems[0]


@pytest.mark.parametrize("name", TABLES)
def test_a_file_that_is_missing_or_cut_short(folder, name):
    path = folder / "certificate" / name
    path.write_bytes(path.read_bytes()[:-1])
    assert "bytes instead of" in verify_certificate(folder).problems[0]
    path.unlink()
    assert verify_certificate(folder).problems == (f"{path}: missing",)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("findings.tsv", "refused", "overlap", "verdict|findings"),
        ("probes.tsv", "q0\tfalse", "q0\ttrue", "controls is not what its files say"),
        ("training_rows.tsv", "\t1\t", "\t7\t", "label"),
        ("training_rows.tsv", "\t0\t", "\t7\t", "training is not what its files say"),
        ("evaluation_images.tsv", "1.0,2.0", "1.0,2.5", "evaluations is not what its files say"),
        ("uncovered.tsv", "no_file", "a_whim", "coverage is not what its files say"),
    ],
)
def test_right_digests_do_not_cover_other_content(folder, name, old, new, problem):
    """Whoever alters a table and its digest must alter the counts too, and then the verdict."""
    path = folder / "certificate" / name
    path.write_text(path.read_text().replace(old, new))
    forge(folder, lambda content: None)
    problems = " ".join(verify_certificate(folder).problems)
    assert any(words in problems for words in problem.split("|"))


def test_no_file_may_be_left_out(folder):
    forge(folder, lambda content: content["files"].pop("certificate/findings.tsv"))
    assert "covers other files" in verify_certificate(folder).problems[0]


def test_no_certificate(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        verify_certificate(tmp_path)


def test_the_certified_list_in_any_order(folder, tmp_path):
    path = write_list(tmp_path / "list.txt", training_rows()[::-1])
    check = verify_certificate(folder, train=path)
    assert check.is_sound
    assert check.difference is None
    assert len(check.checked) == 4


ROWS = training_rows()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (ROWS[:4] + ROWS[5:], f"image {IMAGE_IDS[4]} was certified and is not in the list"),
        ([*ROWS, ("0000", "1", "")], "image 0000 is in the list and was not certified"),
        ([*ROWS, ("zz", "1", "")], "image zz is in the list and was not certified"),
        (sorted(ROWS)[:-1], f"image {sorted(IMAGE_IDS)[-1]} was certified"),
        ([(IMAGE_IDS[0], "9", ""), *ROWS[1:]], f"image {IMAGE_IDS[0]} has the label 9"),
    ],
)
def test_another_list_is_named_by_its_first_image(folder, tmp_path, rows, problem):
    check = verify_certificate(folder, train=write_list(tmp_path / "list.txt", rows))
    assert check.is_sound
    assert problem in check.difference
