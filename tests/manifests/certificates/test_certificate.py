"""The one form of `certificate.json`, and what it may not say."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_certificates import write_small_certificate

from manifests.certificates.certificate import (
    Certificate,
    CertificateError,
    digest_content,
    format_json,
    read_certificate,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    write_small_certificate(folder)
    return folder / "certificate.json"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "certificate.json"


def forge(written, path, keys, value):
    """Alter one value and make the digest right again."""
    content = json.loads(written.read_bytes())
    *way, last = keys
    part = content
    for key in way:
        part = part[key]
    part[last] = value
    path.write_bytes(format_json(content | {"sha256": digest_content(content)}))
    return path


def test_what_is_written_is_read(tmp_path):
    certificate = write_small_certificate(tmp_path)
    assert read_certificate(tmp_path / "certificate.json") == certificate


def test_no_certificate_is_no_error(path):
    assert read_certificate(path) is None


@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.slow, id="every"), pytest.param(19, id="some")]
)
def test_every_byte_counts(written, path, step):
    data = written.read_bytes()
    for position in range(0, len(data), step):
        altered = bytearray(data)
        altered[position] ^= 1 + position % 255
        path.write_bytes(altered)
        with pytest.raises(CertificateError, match=str(path)):
            read_certificate(path)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_change_is_found(written, tmp_path_factory, data):
    whole = written.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 8)))
    altered = whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:]
    path = tmp_path_factory.getbasetemp() / "altered.json"
    path.write_bytes(altered)
    if altered == whole:
        assert read_certificate(path) is not None
        return
    with pytest.raises(CertificateError):
        read_certificate(path)


def test_only_one_form_of_the_same_content(written, path):
    content = json.loads(written.read_bytes())
    for form in (
        json.dumps(content, sort_keys=True),
        json.dumps(dict(reversed(content.items())), indent=2),
        written.read_text().replace('"0.838875"', '"\\u0030.838875"'),
        written.read_text().replace('"ratio": 0.8', '"ratio": 0.80'),
        written.read_text().replace('"ratio": 0.8', '"ratio": 8e-1'),
        written.read_text().replace('"passed": true\n', '"passed": false,\n"passed": true\n'),
        written.read_text() + "\n",
        "\ufeff" + written.read_text(),
    ):
        path.write_text(form)
        with pytest.raises(CertificateError, match=r"not in the one form|not JSON"):
            read_certificate(path)


@pytest.mark.parametrize("text", ["", "not json", "NaN", "1e999", '"\\ud800"', "[" * 100_000])
def test_what_is_no_json(path, text):
    path.write_text(text)
    with pytest.raises(CertificateError, match="not JSON"):
        read_certificate(path)


@pytest.mark.parametrize(
    ("keys", "value", "problem"),
    [
        (("verdict", "passed"), False, "verdict does not follow"),
        (("verdict", "gates"), [], "verdict does not follow"),
        (("limits", "max_undecided"), 3, "verdict does not follow"),
        (("findings", "overlap"), 1, "verdict does not follow"),
        (("recall", 0, "found"), 17, "low and high are not those of 17 of 20"),
        (("recall", 0, "low"), "0.700000", "low and high"),
        (("recall", 0, "found"), 21, "low and high"),
        (("controls", 0, "accepted"), 0, "low and high"),
        (("coverage", "examined"), 12, "do not add up"),
        (("training", "num_images"), 13, "count different images"),
        (("training", "root"), "AB" * 32, "training.root"),
        (("method", "settings", "ratio"), 0.9, "settings_sha256"),
        (("votes", "num_reviewers"), 0, "nobody voted"),
        (("votes", "num_reviewers"), "2", "other types"),
        (("votes", "num_reviewers"), 2.0, "other types"),
        (("signed_by",), "me", "signed_by: Extra"),
        (("format_version",), 2, "format_version"),
        (("evaluations",), [], "evaluations"),
    ],
)
def test_a_right_digest_does_not_cover_a_contradiction(written, path, keys, value, problem):
    with pytest.raises(CertificateError, match=problem):
        read_certificate(forge(written, path, keys, value))


def test_its_digest_is_that_of_the_rest(written):
    content = json.loads(written.read_bytes())
    stated = content.pop("sha256")
    assert stated == digest_content(content) == Certificate(**content, sha256=stated).sha256
