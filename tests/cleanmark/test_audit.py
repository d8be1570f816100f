"""The verb `audit`: what it says, its exit status, and workers."""

import csv
import json
import shutil

import pytest
import yaml
from audit_world import LEAK_CLASS, LEAK_ID, SMALL, write_world
from review_client import ORIGIN, Person
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.review import export_review, open_review, start_review
from manifests.certificates.covered_tables import FOLDER
from manifests.certificates.verify import verify_certificate
from manifests.input_error import InputError
from manifests.rows import Decision
from pipelines.fork_server import start_fork_server
from review_ui.access import AccessSettings
from training.manifest_checks import check_files


@pytest.fixture(scope="module", autouse=True)
def _fork_server():
    start_fork_server(["pytest"])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"), leak=True)


def _run(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def _audit(world, out, *arguments, workers=1):
    settings = [word for setting in SMALL for word in ("--set", setting)]
    workers = ("--set", f"runner.workers={workers}")
    places = ("--against", world.against, "--photos", world.root, "--out", out)
    return _run(world.train, *places, *settings, *workers, *arguments)


@pytest.fixture(scope="module")
def audited(world, tmp_path_factory):
    """What the verb said of a list with a leak, and where."""
    out = tmp_path_factory.mktemp("audit")
    return _audit(world, out), out


def _read_certified(out):
    files = [out / "certificate.json", out / "undecided.csv", *(out / FOLDER).iterdir()]
    return {path.name: path.read_bytes() for path in files}


def test_a_leak_is_named_and_does_not_pass(audited):
    result, out = audited
    assert result.exit_code == 1, result.output
    lines = result.output.splitlines()
    (place,) = [
        n for n, line in enumerate(lines) if line.startswith(f"class {LEAK_CLASS}: 1 image,")
    ]
    assert lines[place].endswith(" inliers, undecided")
    assert lines[place + 1] == "  1 image like walls/north"
    assert "did not pass" in result.output
    assert f"certificate: {out / 'certificate.json'}" in result.output
    hint = lines[-1]
    assert 0 < hint.index(f"`cleanmark review {out}`") < hint.index(str(out / "undecided.csv"))


def test_two_workers_certify_the_same(world, audited, tmp_path):
    _, out = audited
    _audit(world, tmp_path, workers=2)
    assert _read_certified(tmp_path) == _read_certified(out)


def test_people_let_it_pass_and_the_audit_goes_on(world, audited, tmp_path):
    _, out = audited
    rows = list(csv.DictReader((out / "undecided.csv").read_text().splitlines()))
    with (tmp_path / "decided.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        said = {"reviewer": "ana", "decision": "different", "decided_at": "2026-05-01T12:00:00Z"}
        writer.writerows(row | said for row in rows)
    result = _audit(world, out, "--decisions", tmp_path / "decided.csv")
    assert result.exit_code == 0, result.output
    assert "overlap: all 1 units done before" in result.output
    assert "verdict: passed" in result.output
    assert _run("--verify", out).exit_code == 0
    assert _audit(world, out).exit_code == 1


def test_the_same_command_takes_what_was_decided_in_the_review(world, audited, tmp_path):
    _, out = audited
    shutil.copytree(out, tmp_path / "audit")
    folder = open_review(tmp_path / "audit", None, None)
    review = start_review(folder, AccessSettings(ORIGIN))
    (pair,) = review.run.pairs
    Person(review, "ana").vote(pair, Decision.DIFFERENT)
    export_review(folder)
    result = _audit(world, tmp_path / "audit")
    assert result.exit_code == 0, result.output
    assert "cleanmark review" not in result.output


def test_decisions_that_are_not_filled_in_are_refused(world, audited):
    _, out = audited
    result = _audit(world, out, "--decisions", out / "undecided.csv")
    assert result.exit_code == 2
    assert "row 2: reviewer is empty; fill it in" in result.output


def test_what_people_filled_in_is_not_written_over(world, audited, tmp_path):
    _, out = audited
    shutil.copytree(out, tmp_path / "audit")
    path = tmp_path / "audit/undecided.csv"
    said = "ana,different,2026-05-01T12:00:00Z,"
    path.write_text(path.read_text().replace(",,,,\n", f",{said}\r\n"), newline="")
    filled_in = path.read_bytes()
    assert said.encode() in filled_in
    for arguments in ((), ("--decisions", path)):
        result = _audit(world, tmp_path / "audit", *arguments)
        assert result.exit_code == 2
        assert f"{path}: the audit writes this file anew" in result.output
        assert path.read_bytes() == filled_in
    moved = path.rename(tmp_path / "decided.csv")
    assert _audit(world, tmp_path / "audit", "--decisions", moved).exit_code == 0
    assert moved.read_bytes() == filled_in


def test_a_certificate_is_checked_and_a_changed_one_is_found(world, audited, tmp_path):
    _, out = audited
    result = _run(world.train, "--verify", out / "certificate.json", "--prove", LEAK_ID)
    assert result.exit_code == 0, result.output
    (tmp_path / FOLDER).mkdir()
    for name, data in _read_certified(out).items():
        folder = tmp_path if name.startswith("certificate") else tmp_path / FOLDER
        (folder / name).write_bytes(data)
    certificate = json.loads((tmp_path / "certificate.json").read_text())
    certificate["verdict"]["passed"] = True
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    result = _run("--verify", tmp_path)
    assert result.exit_code == 1
    assert "not sound" in result.output


def test_the_certificate_is_put_beside_the_manifest_that_it_speaks_of(own_run, tmp_path):
    (evaluation_set,) = own_run.config.evaluation_sets
    (tmp_path / "set.yaml").write_text(yaml.safe_dump(evaluation_set.model_dump(mode="json")))
    settings = [word for setting in SMALL for word in ("--set", setting)]
    out = ("--out", tmp_path / "audit", "--attach", "--set", "runner.workers=1")
    result = _run(own_run.run_dir, "--against", tmp_path / "set.yaml", *out, *settings)
    assert result.exit_code == 1, result.output
    manifests = own_run.run_dir / "manifests"
    attached = (manifests / "certificate.json").read_bytes()
    assert attached == (tmp_path / "audit/certificate.json").read_bytes()
    assert verify_certificate(manifests).is_sound
    with pytest.raises(InputError, match="failed its audit"):
        check_files(manifests / "rgldv2_clean")


def test_a_list_without_a_manifest_has_no_place_for_a_certificate(world, tmp_path):
    result = _audit(world, tmp_path, "--attach")
    assert result.exit_code == 2
    assert "has no manifest.json, so leave out --attach" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give TRAIN and --against SET.yaml, or --verify CERTIFICATE"),
        (["list.csv"], "give TRAIN and --against SET.yaml, or --verify CERTIFICATE"),
        (["--verify", "x", "--out", "y"], "--verify checks a certificate that is there"),
        (["nowhere.csv", "--against", "nowhere.yaml"], "nowhere.yaml: no such configuration file"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments, message):
    result = _run(*arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("overlap.min_inlier=3", "overlap.min_inlier: there is no such setting; see docs/audit.md"),
        ("overlap.always_show_top=0", "overlap.always_show_top must be 1 at least"),
        ("canaries.per_kind=0", "canaries.per_kind: "),
        ("gate.min_recall=2", "gate.min_recall: "),
    ],
)
def test_a_wrong_setting_is_named(world, tmp_path, setting, message):
    result = _audit(world, tmp_path, "--set", setting)
    assert result.exit_code == 2
    assert message in result.output


def test_a_set_without_queries_is_refused(world, tmp_path):
    (tmp_path / "names.txt").write_text("a.jpg\n")
    yaml = tmp_path / "noise.yaml"
    yaml.write_text("name: noise\nimages: .\nground_truth: names.txt\n")
    result = _audit(world, tmp_path / "out", "--against", yaml)
    assert result.exit_code == 2
    assert "evaluation set noise: has no queries" in result.output


def test_the_same_set_twice_is_refused(world, tmp_path):
    result = _audit(world, tmp_path, "--against", world.against)
    assert result.exit_code == 2
    assert "two evaluation sets have one name" in result.output


def test_an_image_that_no_longer_opens_fails_its_unit_and_leaves_no_certificate(tmp_path):
    world = write_world(tmp_path)
    (world.against.parent / "jpg" / "north.jpg").write_bytes(b"\xff\xd8\xff broken")
    result = _audit(world, tmp_path / "out")
    assert result.exit_code == 1
    assert "north.jpg" in result.output
    assert not (tmp_path / "out" / "certificate.json").exists()
