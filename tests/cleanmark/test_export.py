"""`cleanmark export` and `cleanmark forget`: from runs and manifests to whole folders."""

import hashlib
import sys
import tarfile

import pandas as pd
import pyarrow.parquet as pq
import pytest
from small_certificates import write_small_certificate
from small_manifests import IDS, KEPT, write_small_manifests
from tiny_run import COPY_ID, OVERLAPPING_CLASS, confirm_overlap
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.export import Format, export, open_releases
from cleanmark.policy import Policy
from cleanmark.rgldv2 import Lists, rebuild_rgldv2_clean
from manifests.certificates.certificate import read_certificate
from manifests.certificates.verify import verify_certificate
from manifests.exports.releases import Release
from manifests.gldv2_csv import write_train_clean_csv
from manifests.input_error import InputError
from manifests.lineage import digest_file

LISTED = {47378: ["00000000000000a1", "00000000000000a2"]} | {
    10 + n: [f"{4096 + 16 * n + k:016x}" for k in range(n + 1)] for n in range(1, 6)
}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory):
    return write_small_manifests(tmp_path_factory.mktemp("manifests"))


@pytest.fixture
def confirmed_run(own_run, tmp_path):
    """The tiny run after anna confirmed the overlap."""
    confirm_overlap(own_run.run_dir, tmp_path)
    own_run.finish()
    return own_run.run_dir


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def _read(folder, split):
    parts = sorted(folder.glob(f"{split}-*.parquet"))
    return pd.concat([pd.read_parquet(part) for part in parts])


# From a run


def test_a_run_is_exported_under_every_policy_over_one_evidence_set(confirmed_run, tmp_path):
    exported = export(confirmed_run, tmp_path / "export", max_rows=4)
    assert [release.policy for release in exported.releases] == ["paper", "confirmed", "strict"]
    assert exported.formats == tuple(Format)
    for policy in ("paper", "confirmed", "strict"):
        data = tmp_path / "export" / "data" / policy
        kept = pd.concat([_read(data, "train"), _read(data, "validation")])
        removed = _read(data, "removed")
        assert OVERLAPPING_CLASS not in set(kept["landmark_id"])
        gone = removed[removed["landmark_id"] == OVERLAPPING_CLASS]
        assert set(gone["stage"]) == {"overlap", "ingest"}
        assert (gone[gone["stage"] == "overlap"]["url"].str.startswith("https://")).all()
    assert exported.attribution.num_images == exported.attribution.num_complete == len(kept)


def test_a_policy_gives_what_emit_would_write(confirmed_run, tmp_path):
    before = _digests(confirmed_run)
    [planned] = open_releases(confirmed_run, [Policy.STRICT], tmp_path / "scratch")
    assert _digests(confirmed_run) == before
    assert _run("emit", confirmed_run, "--policy", "strict").exit_code == 0
    assert planned.manifest == Release.open(confirmed_run / "manifests").manifest
    assert planned.path != confirmed_run / "manifests"


def test_policies_come_in_the_order_asked_for(confirmed_run, tmp_path):
    releases = open_releases(confirmed_run, [Policy.STRICT, Policy.PAPER], tmp_path)
    assert [release.policy for release in releases] == ["strict", "paper"]


def test_decisions_that_the_manifests_do_not_know_are_emitted_first(own_run, tmp_path):
    confirm_overlap(own_run.run_dir, tmp_path)
    with pytest.raises(InputError, match=r"older than the decisions.*cleanmark emit"):
        export(own_run.run_dir, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_the_webdataset_index_leads_to_the_photographs(confirmed_run, tiny_root, tmp_path):
    root = tmp_path / "export"
    export(confirmed_run, root, policies=[Policy.PAPER], formats=[Format.WEBDATASET])
    samples = pd.concat(
        pd.read_csv(root / "webdataset" / "paper" / f"{split}.csv", dtype={"key": str})
        for split in ("train", "validation")
    )
    data = root / "data" / "paper"
    rows = pd.concat([_read(data, "train"), _read(data, "validation")]).set_index("member")
    assert len(samples) == len(rows)
    for sample in samples.itertuples():
        row = rows.loc[f"{sample.key}.jpg"]
        with tarfile.open(tiny_root / sample.shard) as archive:
            member = archive.getmember(f"{sample.key}.jpg")
            content = archive.extractfile(member).read()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert (sample.offset, sample.num_bytes) == (member.offset_data, member.size)
        assert sample.label == row["label"]


# From manifests alone


def test_a_copied_folder_of_manifests_has_its_own_policy(manifests, tmp_path):
    exported = export(manifests, tmp_path / "export")
    assert [release.policy for release in exported.releases] == ["paper"]
    kept = [s.num_images for s in exported.releases[0].splits if s.name != "removed"]
    assert sum(kept) == sum(map(len, KEPT.values()))
    with pytest.raises(InputError, match=r"holds the policy paper only; strict needs"):
        export(manifests, tmp_path / "other", policies=[Policy.STRICT])


def test_the_list_without_images_is_exported_without_what_only_images_tell(tmp_path):
    write_train_clean_csv(tmp_path / "train_clean.csv", LISTED)
    lists = Lists(tmp_path / "train_clean.csv")
    rebuild_rgldv2_clean(lists, tmp_path / "rgldv2", allow_other_totals=True)
    exported = export(tmp_path / "rgldv2", tmp_path / "export")
    assert Format.WEBDATASET in exported.left_out
    train = _read(tmp_path / "export" / "data" / "published", "train")
    assert train["shard"].isna().all()
    assert set(train["reason_code"]) == {"listed"}
    removed = _read(tmp_path / "export" / "data" / "published", "removed")
    assert list(removed["id"]) == LISTED[47378]
    assert exported.attribution.num_complete == 0
    with pytest.raises(InputError, match="which a WebDataset index needs"):
        export(tmp_path / "rgldv2", tmp_path / "wds", formats=[Format.WEBDATASET])
    assert not (tmp_path / "wds").exists()


def test_the_same_manifests_give_the_same_bytes(manifests, tmp_path):
    export(manifests, tmp_path / "a", max_rows=3)
    export(manifests, tmp_path / "b", max_rows=3)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")


def test_where_files_are_cut_changes_no_row(manifests, tmp_path):
    for max_rows in (2, 1000):
        export(manifests, tmp_path / str(max_rows), max_rows=max_rows)
    few, many = (
        _read(tmp_path / name / "data" / "paper", "train").reset_index(drop=True)
        for name in ("1000", "2")
    )
    pd.testing.assert_frame_equal(few, many)
    assert len(list((tmp_path / "2" / "data" / "paper").glob("train-*"))) > 1


def test_only_what_is_asked_for_is_written(manifests, tmp_path):
    export(manifests, tmp_path / "export", formats=[Format.LISTS])
    names = {path.name for path in (tmp_path / "export").iterdir()}
    always = {"data", "made_from", "policy.yaml", "ATTRIBUTION.parquet", "CHECKSUMS.sha256"}
    assert names == always | {"compat"}


def test_the_extra_is_needed_for_croissant_alone(manifests, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlcroissant", None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    others = [format_ for format_ in Format if format_ is not Format.CROISSANT]
    export(manifests, tmp_path / "others", formats=others)
    with pytest.raises(InputError, match=r"cleanmark\[exports\]"):
        export(manifests, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def certify(manifests, **changes):
    training = {
        "name": "rgldv2_clean",
        "kind": "manifest",
        "manifest_sha256": digest_file(manifests / "manifest.json"),
        "split": "rgldv2_clean",
    }
    write_small_certificate(manifests, training=training | changes)


def test_what_vouches_for_the_rows_goes_with_them(tmp_path):
    manifests = write_small_manifests(tmp_path / "manifests")
    certify(manifests)
    export(manifests, tmp_path / "export")
    copies = tmp_path / "export" / "made_from" / "paper"
    assert (copies / "manifest.json").read_bytes() == (manifests / "manifest.json").read_bytes()
    check = verify_certificate(copies)
    assert check.is_sound
    assert check.certificate == read_certificate(manifests / "certificate.json")


def test_a_certificate_of_another_manifest_does_not_go_with_them(tmp_path):
    manifests = write_small_manifests(tmp_path / "manifests")
    certify(manifests, manifest_sha256="0" * 64)
    with pytest.raises(InputError, match=r"certificate.json: speaks of another"):
        export(manifests, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_certificate_with_altered_findings_does_not_go_with_them(tmp_path):
    manifests = write_small_manifests(tmp_path / "manifests")
    certify(manifests)
    (manifests / "certificate" / "findings.tsv").write_text("none")
    with pytest.raises(InputError, match=r"findings.tsv: has 4 bytes"):
        export(manifests, tmp_path / "export")


def test_an_earlier_export_is_replaced_and_anything_else_is_not(manifests, tmp_path):
    export(manifests, tmp_path / "export", max_rows=2)
    export(manifests, tmp_path / "export", formats=[Format.LISTS])
    assert not (tmp_path / "export" / "README.md").exists()
    (tmp_path / "export" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="something else in this folder"):
        export(manifests, tmp_path / "export")
    assert (tmp_path / "export" / "mine.txt").read_text() == "mine"


def test_an_altered_part_is_refused(tmp_path):
    folder = write_small_manifests(tmp_path / "manifests")
    part = folder / "rgldv2_clean" / "images_000.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"images_000.parquet: not the file"):
        export(folder, tmp_path / "export")


# The commands


def test_the_command_says_what_it_did(manifests, tmp_path):
    result = _run("export", manifests, "--to", tmp_path / "export", "--format", "lists,oml")
    assert result.exit_code == 0, result.stderr
    assert "Of 11 kept images, 9 have author, licence and title" in result.stdout
    assert "Parquet, lists, oml" in result.stdout
    assert (tmp_path / "export" / "compat" / "paper" / "df.csv").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "lists,tfrecord"], "--format: there is no 'tfrecord'; name some of"),
        (["--policies", "lax"], "--policies: there is no 'lax'; name some of paper, confirmed"),
        (["--version", "one"], "--version: "),
        (["--url", "here"], "--url: "),
    ],
)
def test_a_word_that_means_nothing_is_refused(manifests, tmp_path, words, message):
    result = _run("export", manifests, "--to", tmp_path / "export", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "export").exists()


def test_a_folder_without_manifests_is_refused_with_a_remedy(tmp_path):
    result = _run("export", tmp_path, "--to", tmp_path / "export")
    assert result.exit_code == 2
    assert "manifest.json: missing; give the folder of a finished run" in result.stderr


def test_forget_makes_a_version_that_exports_without_the_image(confirmed_run, tmp_path):
    words = ("--run", confirmed_run, "--to", tmp_path / "new", "--note", "asked to")
    result = _run("forget", COPY_ID, *words)
    assert result.exit_code == 0, result.stderr
    assert "forgotten: 1 images" in result.stdout
    export(tmp_path / "new", tmp_path / "export")
    data = tmp_path / "export" / "data" / "paper"
    kept = [*_read(data, "train")["id"], *_read(data, "validation")["id"]]
    assert COPY_ID not in kept
    removed = _read(data, "removed").set_index("id")
    assert tuple(removed.loc[COPY_ID, ["stage", "reason_code"]]) == ("forget", "forgotten")
    attribution = pq.read_table(tmp_path / "export" / "ATTRIBUTION.parquet")
    assert sorted(attribution["id"].to_pylist()) == sorted(kept)


def test_forget_says_which_classes_are_empty_now(manifests, tmp_path):
    result = _run("forget", *IDS[20], "--run", manifests, "--to", tmp_path / "new")
    assert result.exit_code == 0, result.stderr
    assert "classes without any image now, their numbers stay free: 20" in result.stdout
