"""Answers on uncertain pairs, from the command line to the report."""

import csv

import pytest
from report_pages import read_page
from stage_runs import Run, read_outputs
from tiny_run import WRONG_LABEL_ID
from typer.testing import CliRunner

from cleanmark.cli import app
from manifests.manifest_json import read_manifest
from pipelines.run_config import dump_config


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
    """The line with which the job is refused; nothing that was made may have changed."""
    before = read_outputs(run.run_dir)
    result = _go_on(run, config_file, answers)
    assert result.exit_code == 2
    assert result.stderr.startswith("cleanmark: ")
    assert result.stderr.count("\n") == 1
    assert read_outputs(run.run_dir) == before
    return result


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
