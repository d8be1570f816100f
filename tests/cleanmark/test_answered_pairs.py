"""Answers on uncertain pairs, from the command line to the report."""

import csv
import io

import pytest
from report_pages import read_page
from rich.console import Console
from stage_runs import Run
from tiny_run import WRONG_LABEL_ID
from typer.testing import CliRunner

from cleanmark.cli import app
from manifests.manifest_json import read_manifest
from manifests.manual_answers import read_manual_answers
from pipelines.job import JobError, run_job
from pipelines.run_config import dump_config
from pipelines.run_folder import read_config


@pytest.fixture
def config_file(own_run: Run, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_config(own_run.config))
    return path


@pytest.fixture
def answers(tmp_path):
    return tmp_path / "answers.csv"


def _write(path, *rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("image_id_a", "image_id_b", "answer"), *rows])


def _go_on(run, config_file, answers):
    command = ("run", config_file, "--out", run.run_dir, "--set", f"clean.answers={answers}")
    result = CliRunner().invoke(app, [str(argument) for argument in command])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _pairs_of_wrong_label(run):
    pairs = [(row["image_id_a"], row["image_id_b"]) for row in run.rows("matches")]
    return [pair for pair in pairs if WRONG_LABEL_ID in pair]


def test_an_image_comes_back_and_the_counts_are_shown(own_run, config_file, answers, tmp_path):
    _write(answers, (*_pairs_of_wrong_label(own_run)[0], "same"))
    result = _go_on(own_run, config_file, answers)
    assert result.exit_code == 0
    assert WRONG_LABEL_ID in {row["image_id"] for row in own_run.manifest_rows("gldv2_clean")}
    line = read_manifest(own_run.run_dir / "manifests/manifest.json").answers.describe()
    assert f"\n{line}\n" in result.stdout
    assert line in read_page(own_run.run_dir, tmp_path).sections["hard"]
    emitted = CliRunner().invoke(app, ["emit", str(own_run.run_dir)])
    assert f"\n{line}\n" in emitted.stdout


def _refuse(run, config_file, answers):
    """The line with which the job is refused; the run folder must be as it was."""
    before = _read_all(run.run_dir)
    result = _go_on(run, config_file, answers)
    assert result.exit_code == 2
    assert result.stderr.startswith("cleanmark: ")
    assert result.stderr.count("\n") == 1
    assert _read_all(run.run_dir) == before
    return result


def _read_all(run_dir):
    """Every file but those that any job writes, whatever it does."""
    own = {".lock", "ledger.json"}
    files = (path for path in run_dir.rglob("*") if path.is_file() and path.name not in own)
    return {path: path.read_bytes() for path in files}


def test_a_file_that_is_not_there_or_not_right_is_refused_at_once(own_run, config_file, answers):
    result = _refuse(own_run, config_file, answers)
    assert f"clean.answers: {answers} does not exist" in result.stderr
    assert result.stdout == ""
    _write(answers, ("a", "b", "perhaps"))
    result = _refuse(own_run, config_file, answers)
    assert f"{answers}: row 2: the answer 'perhaps' is neither same nor different" in result.stderr
    assert result.stdout == ""


def test_answers_that_do_not_fit_the_run_are_refused(own_run, config_file, answers):
    _write(answers, ("a", "b", "same"))
    result = _refuse(own_run, config_file, answers)
    assert f"{answers}: row 2: the run has no usable image 'a'" in result.stderr
    assert "verify: all" in result.stdout
    assert "\nclean: " not in result.stdout


def test_the_list_of_the_run_itself_is_refused_and_stays(own_run, config_file):
    listed = own_run.run_dir / "manifests/decisive_pairs.csv"
    assert "your answers would be lost" in _refuse(own_run, config_file, listed).stderr


def test_a_run_that_was_refused_can_go_on_as_it_was(own_run, config_file, answers):
    _write(answers, ("a", "b", "same"))
    _refuse(own_run, config_file, answers)
    answers.unlink()
    for verb in ("status", "report", "emit"):
        result = CliRunner().invoke(app, [verb, str(own_run.run_dir)])
        assert result.exit_code == 0, result.output


def test_a_configuration_without_anything_to_do_is_recorded(own_run, config_file):
    command = ["run", str(config_file), "--out", str(own_run.run_dir), "--set", "runner.workers=3"]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert read_config(own_run.run_dir).runner.workers == 3


def test_a_refused_stage_leaves_the_configuration(own_run, config_file):
    before = read_config(own_run.run_dir)
    changes = ("--set", "clean.min_verified_neighbours=2", "--only", "emit")
    command = ["run", str(config_file), "--out", str(own_run.run_dir), *changes]
    assert CliRunner().invoke(app, command).exit_code == 2
    assert read_config(own_run.run_dir) == before


def test_what_people_filled_in_is_not_written_over(own_run, answers):
    listed = own_run.run_dir / "manifests/decisive_pairs.csv"
    row = dict.fromkeys(listed.read_text().splitlines()[0].split(","), "x")
    a, b = _pairs_of_wrong_label(own_run)[0]
    said = {"image_id_a": a, "image_id_b": b, "landmark_name": "Mill, old", "answer": "same"}
    with listed.open("a", newline="") as stream:
        csv.DictWriter(stream, row).writerow(row | said)
    filled_in = listed.read_bytes()
    emitted = CliRunner().invoke(app, ["emit", str(own_run.run_dir)])
    assert emitted.exit_code == 2
    assert f"{listed}: the run writes this file anew" in emitted.stderr
    assert listed.read_bytes() == filled_in
    listed.rename(answers)
    assert CliRunner().invoke(app, ["emit", str(own_run.run_dir)]).exit_code == 0
    assert answers.read_bytes() == filled_in
    assert [pair.image_ids for pair in read_manual_answers(answers)] == [(a, b)]


class _Editor(io.StringIO):
    """Where a job shows its progress to somebody who goes on with the file of answers meanwhile."""

    def __init__(self, edit):
        super().__init__()
        self._edit = edit

    def write(self, text):
        if "clean.calibrate: " in text:
            self._edit()
        return super().write(text)


def test_answers_that_change_during_the_job_are_not_published_as_those_it_went_by(own_run, answers):
    pair = _pairs_of_wrong_label(own_run)[0]
    _write(answers, (*pair, "same"))
    clean = own_run.config.clean.model_copy(update={"answers": answers})
    config = own_run.config.model_copy(update={"clean": clean})
    published = (own_run.run_dir / "manifests/manifest.json").read_bytes()
    console = Console(file=_Editor(lambda: _write(answers, (*pair, "different"))))
    with pytest.raises(JobError, match=f"{answers}: has changed since the classes were judged"):
        run_job(config, own_run.run_dir, console)
    assert (own_run.run_dir / "manifests/manifest.json").read_bytes() == published
    run_job(config, own_run.run_dir, Console(file=io.StringIO()))
    counts = read_manifest(own_run.run_dir / "manifests/manifest.json").answers
    assert (counts.num_same, counts.num_different) == (0, 1)
    assert WRONG_LABEL_ID not in {row["image_id"] for row in own_run.manifest_rows("gldv2_clean")}
