import csv
import json
import shutil
import signal
from pathlib import Path

import pytest
from command_line import has_marker, run_cleanmark, start_cleanmark, stop_when
from stage_runs import Run, read_outputs
from tiny_run import OVERLAPPING_CLASS, QUERIES
from typer.testing import CliRunner

from cleanmark.cli import app
from manifests.manifest_json import read_manifest
from pipelines.run_config import dump_config

HEADER = ("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at")
STEPS = (
    "ingest.scan", "ingest.join", "describe", "embed.codebook", "embed", "verify", "clean",
    "clean.calibrate", "clean.uncertain", "clean.duplicates", "clean.index_duplicates",
    "overlap.queries", "overlap", "emit",
)  # fmt: skip


@pytest.fixture(scope="module")
def config_file(tiny_run: Run, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(dump_config(tiny_run.config))
    return path


def _invoke(*arguments):
    """Call the command in this process; return exit status, output and errors."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def _refused(*arguments):
    """The one line with which the command refuses what it was given."""
    status, output, errors = _invoke(*arguments)
    assert (status, output) == (2, "")
    assert errors.startswith("cleanmark: ")
    assert errors.count("\n") == 1
    return errors


def _manifest(run_dir):
    return read_manifest(run_dir / "manifests/manifest.json")


def _write_decisions(path, run, decision="same"):
    matches = [row for row in run.rows("candidates") if row["verdict"] == "match"]
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for r in matches:
            key = (r["eval_set"], r["query_id"], r["image_id"])
            writer.writerow((*key, "ana", decision, "2026-05-01T12:00:00Z"))
    return path


# The installed command


def test_a_job_ends_with_status_0_and_the_same_bytes_as_the_stages_alone(
    config_file, tiny_run, tmp_path
):
    out = tmp_path / "run"
    status, output, errors = run_cleanmark(
        "run", config_file, "--out", out, "--set", "runner.workers=2"
    )
    assert (status, errors) == (0, "")
    assert "gldv2_clean" in output
    assert f"manifests: {out / 'manifests'}" in output
    assert read_outputs(out) == read_outputs(tiny_run.run_dir)


def test_a_failed_unit_ends_with_status_1_and_a_mended_one_goes_on(tiny_run, tmp_path):
    root = tmp_path / "gldv2"
    shutil.copytree(tiny_run.config.source.root, root)
    tar = root / "train/images_001.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:-20_000])
    config = tmp_path / "tiny.yaml"
    config.write_text(dump_config(tiny_run.config))
    command = ("run", config, "--out", tmp_path / "run", "--set", f"source.root={root}")
    status, output, errors = run_cleanmark(*command)
    assert (status, errors) == (1, "")
    assert f"failed ingest.scan/images_001: ShardError: {tar}: its MD5 is " in output
    assert "the same command runs the failed units again" in output
    assert "Traceback" not in output
    assert not has_marker(tmp_path / "run", "ingest.join")
    tar.write_bytes(whole)
    status, output, errors = run_cleanmark(*command)
    assert (status, errors) == (0, "")
    assert read_outputs(tmp_path / "run") == read_outputs(tiny_run.run_dir)


def test_a_bad_key_ends_with_status_2_in_one_line(config_file, tmp_path):
    status, output, errors = run_cleanmark(
        "run", config_file, "--out", tmp_path / "run", "--set", "clean.min_inlier=3"
    )
    assert (status, output) == (2, "")
    where = f"cleanmark: {config_file}: clean.min_inlier"
    assert errors == f"{where}: there is no such setting; see docs/configuration.md\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("step", ["ingest.scan", "verify"])
def test_ctrl_c_ends_with_status_130_and_the_same_command_goes_on(
    config_file, tiny_run, tmp_path, step
):
    out = tmp_path / "run"
    command = ("run", config_file, "--out", out, "--set", "runner.workers=2")
    with start_cleanmark(*command) as process:
        output, errors = stop_when(process, lambda: has_marker(out, step), signal.SIGINT)
    assert process.returncode == 130
    assert "stopped; the same command goes on where this one stopped" in output
    assert "Traceback" not in output + errors
    assert not (out / "manifests/manifest.json").exists()
    status, output, errors = run_cleanmark(*command)
    assert (status, errors) == (0, "")
    assert read_outputs(out) == read_outputs(tiny_run.run_dir)


def test_without_arguments_the_command_says_what_it_can_do():
    status, output, errors = run_cleanmark()
    assert status == 2
    for verb in ("run", "status", "emit"):
        assert verb in output + errors


# run


def test_a_finished_run_is_not_done_again(config_file, own_run):
    status, output, errors = _invoke("run", config_file, "--out", own_run.run_dir)
    assert (status, errors) == (0, "")
    for step in STEPS:
        assert f"{step}: all " in output
    assert "7 candidates wait for a decision" in output


def test_a_setting_can_be_overridden(config_file, own_run):
    status, output, _ = _invoke(
        "run", config_file, "--out", own_run.run_dir, "--set", "emit.policy=strict"
    )
    assert status == 0
    assert "overlap: all 2 units done before" in output
    assert f"removed class {OVERLAPPING_CLASS} (Stone Bridge, 4 images): matches that" in output
    assert _manifest(own_run.run_dir).policy["policy"] == "strict"


def test_single_stages_can_be_run(config_file, own_run):
    shutil.rmtree(own_run.run_dir / "state/clean")
    status, output, _ = _invoke("run", config_file, "--out", own_run.run_dir, "--only", "clean")
    assert status == 0
    engine, first, *_ = output.splitlines()
    assert engine == "engine: workstation (worker processes: 1)"
    assert first.startswith("clean: ")
    assert "\nclean: 2/2 units done" in output
    assert "ingest" not in output.split("clean.calibrate")[0]


def test_manifests_that_are_out_of_date_are_not_shown_as_the_outcome(config_file, own_run):
    status, output, _ = _invoke(
        "run", config_file, "--out", own_run.run_dir, "--only", "clean",
        "--set", "clean.min_verified_neighbours=3",
    )  # fmt: skip
    assert status == 0
    assert "gldv2_clean" not in output
    assert "gldv2_clean" not in _invoke("status", own_run.run_dir)[1]


def test_a_stage_does_not_go_on_from_half_a_table(config_file, own_run):
    (own_run.run_dir / "state/verify/part-00001.json").unlink()
    command = ("run", config_file, "--out", own_run.run_dir)
    complaint = _refused(*command, "--only", "clean", "--only", "emit")
    assert "stage 'verify' is left out, but 1 of its units are not done" in complaint
    assert _invoke(*command, "--only", "verify", "--only", "clean")[0] == 0


def test_a_stage_does_not_go_on_from_shards_that_were_not_joined(config_file, own_run):
    for path in (own_run.run_dir / "state/ingest.join").glob("*.json"):
        marker = json.loads(path.read_text())
        marker["outputs"].pop("images/images_001.parquet", None)
        path.write_text(json.dumps(marker))
    complaint = _refused("run", config_file, "--out", own_run.run_dir, "--only", "describe")
    assert "images_001.parquet was not joined" in complaint


def test_a_single_stage_of_a_new_folder_lacks_what_it_reads(config_file, tmp_path):
    complaint = _refused("run", config_file, "--out", tmp_path / "new", "--only", "emit")
    assert "nothing finished in stage 'ingest.join'" in complaint
    assert "run the whole job once" in complaint


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "cleen"], "no stage is called 'cleen'; stages are ingest, describe"),
        (["--only", "clean", "emit"], "'emit': not accepted, because Beam would ignore it"),
        (["--set", "clean.min_inliers"], "--set clean.min_inliers: expected dotted.key=value"),
        (["--set", "evaluation_sets.1.name=x"], "the list has items 0 to 0"),
        (["--set", "source.root=/no/such"], "source.root: /no/such does not exist"),
        (["--set", "verify.min_inliers=2"], "verify.min_inliers: Input should be"),
        (["--", "--runner=DirectRunner"], "--runner=DirectRunner: not accepted"),
        (["--", "--runner", "SwitchingDirectRunner"], "SwitchingDirectRunner: not accepted"),
        (["--", "--direct_num_workers=3"], "--direct_num_workers=3: not accepted"),
        (["--", "--direct_running_mode=multi_processing"], "Set the number of workers as"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(config_file, tmp_path, arguments, complaint):
    assert complaint in _refused("run", config_file, "--out", tmp_path / "run", *arguments)
    assert not has_marker(tmp_path / "run", "ingest.scan")


def test_an_option_that_does_not_exist_is_refused(config_file, tmp_path):
    status, _, errors = _invoke("run", config_file, "--out", tmp_path / "run", "--workers", "3")
    assert status == 2
    assert "No such option" in errors


def test_a_missing_configuration_is_refused(tmp_path):
    assert "none.yaml: no such configuration file" in _refused("run", tmp_path / "none.yaml")


def test_a_file_in_the_place_of_the_run_folder_is_refused(config_file, tmp_path):
    (tmp_path / "taken").touch()
    assert "taken: not a folder" in _refused("run", config_file, "--out", tmp_path / "taken")


def test_a_folder_without_shards_is_refused_in_one_line(config_file, tmp_path):
    status, output, errors = _invoke(
        "run", config_file, "--out", tmp_path / "run", "--set", f"source.root={tmp_path}"
    )
    assert (status, output) == (1, "")
    assert errors.startswith(f"cleanmark: {tmp_path / 'train'}: no shards named images_NNN.tar")
    assert errors.count("\n") == 1


def test_the_folder_is_named_after_the_configuration(config_file, own_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(own_run.run_dir, tmp_path / "runs/tiny")
    status, output, _ = _invoke("run", config_file)
    assert status == 0
    assert "emit: all 1 units done before" in output


# status


def _status_rows(output):
    """The cells of the table of steps, by step."""
    table = output.partition("Split")[0]
    rows = [line.split() for line in table.splitlines()]
    return {cells[0]: cells[1:] for cells in rows if cells and cells[0] in STEPS}


def test_the_status_of_a_finished_run_shows_every_step_and_the_splits(own_run):
    status, output, _ = _invoke("status", own_run.run_dir)
    assert status == 0
    rows = _status_rows(output)
    assert rows.keys() == set(STEPS)
    assert all(cells[0] == cells[2] and cells[1] == "0" for cells in rows.values())
    assert "rgldv2_clean" in output


def test_the_status_of_a_half_finished_run_shows_what_nobody_can_know_yet(own_run):
    for step in ("verify", "clean", "overlap", "emit"):
        shutil.rmtree(own_run.run_dir / "state" / step)
    status, output, _ = _invoke("status", own_run.run_dir)
    assert status == 0
    rows = _status_rows(output)
    assert rows["embed"][:3] == ["2", "0", "2"]
    assert rows["verify"][:3] == ["0", "0", "2"]
    for step in ("clean", "overlap", "emit"):
        assert rows[step] == ["0", "0", "not", "known", "yet"]
    assert "rgldv2_clean" not in output


def test_the_status_names_failed_units_with_their_reasons(own_run):
    path = own_run.run_dir / "state/describe/images_001.json"
    reason = f"ShardError: a shard {'far away ' * 9}: [odd] end"
    changes = {"status": "failed", "outputs": {}, "error": f"{reason}\n  File where it happened"}
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    _, output, _ = _invoke("status", own_run.run_dir)
    assert _status_rows(output)["describe"][:3] == ["1", "1", "2"]
    assert f"failed describe/images_001: {reason}\n" in output
    assert "where it happened" not in output


def test_the_status_counts_no_units_that_are_planned_no_more(own_run):
    config = own_run.run_dir / "run.yaml"
    text = config.read_text()
    assert "text_terms:\n  - bridge\n" in text
    config.write_text(text.replace("text_terms:\n  - bridge\n", "text_terms: []\n"))
    rows = _status_rows(_invoke("status", own_run.run_dir)[1])
    assert rows["overlap"][0] == rows["overlap"][2]


def test_a_folder_that_is_no_run_has_no_status(tmp_path):
    assert "no run folder (run.yaml is missing)" in _refused("status", tmp_path)


# emit


@pytest.mark.parametrize("policy", ["paper", "confirmed", "strict"])
def test_decisions_are_applied_under_the_policy_asked_for(own_run, tmp_path, policy):
    decisions = _write_decisions(tmp_path / "decisions.csv", own_run)
    status, output, errors = _invoke(
        "emit", own_run.run_dir, "--decisions", decisions, "--policy", policy
    )
    assert (status, errors) == (0, "")
    assert f"removed class {OVERLAPPING_CLASS} (Stone Bridge, 4 images)" in output
    manifest = _manifest(own_run.run_dir)
    assert manifest.policy["policy"] == policy
    assert [removed.landmark_id for removed in manifest.removed_classes] == [OVERLAPPING_CLASS]


def test_the_policy_asked_for_last_stays(own_run, tmp_path):
    assert _invoke("emit", own_run.run_dir, "--policy", "strict")[0] == 0
    decisions = _write_decisions(tmp_path / "decisions.csv", own_run, "different")
    assert _invoke("emit", own_run.run_dir, "--decisions", decisions)[0] == 0
    assert _manifest(own_run.run_dir).policy["policy"] == "strict"
    assert _manifest(own_run.run_dir).removed_classes == ()


def test_single_images_are_removed_if_that_is_asked_for(own_run, tmp_path):
    decisions = _write_decisions(tmp_path / "decisions.csv", own_run)
    arguments = ("--decisions", decisions, "--policy", "confirmed", "--removes", "images")
    assert _invoke("emit", own_run.run_dir, *arguments)[0] == 0
    manifest = _manifest(own_run.run_dir)
    assert manifest.removed_classes == ()
    assert [reduced.landmark_id for reduced in manifest.reduced_classes] == [OVERLAPPING_CLASS]
    matches = {r["image_id"] for r in own_run.rows("candidates") if r["verdict"] == "match"}
    left = {row["image_id"] for row in own_run.manifest_rows("rgldv2_clean")}
    before = {row["image_id"] for row in own_run.manifest_rows("gldv2_clean")}
    assert before - left == matches & before != set()


def test_an_unknown_policy_is_refused(own_run):
    before = read_outputs(own_run.run_dir)
    status, _, errors = _invoke("emit", own_run.run_dir, "--policy", "lenient")
    assert status == 2
    assert "'lenient' is not one of" in errors
    assert read_outputs(own_run.run_dir) == before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "decisions.csv: no such file"),
        ("eval_set,query_id\n", "decisions.csv: columns missing"),
        (
            ",".join(HEADER) + f"\ntiny,{QUERIES[0]},00,ana,same,2026-05-01\n",
            "row 2: image_id '00'",
        ),
    ],
)
def test_decisions_that_cannot_be_understood_change_nothing(own_run, tmp_path, text, complaint):
    before = read_outputs(own_run.run_dir)
    if text is not None:
        (tmp_path / "decisions.csv").write_text(text)
    arguments = ("emit", own_run.run_dir, "--decisions", tmp_path / "decisions.csv")
    assert complaint in _refused(*arguments)
    assert read_outputs(own_run.run_dir) == before
    assert not (own_run.run_dir / "decisions").exists()


def test_decisions_on_no_candidate_are_mentioned(own_run, tmp_path):
    path = tmp_path / "stray.csv"
    path.write_text(",".join(HEADER) + f"\ntiny,nobody,{'0' * 16},ana,same,2026-05-01\n")
    status, output, _ = _invoke("emit", own_run.run_dir, "--decisions", path)
    assert status == 0
    assert "1 decisions are on something that is no candidate of this run" in output


def test_manifests_are_not_written_from_a_half_finished_run(own_run):
    (own_run.run_dir / "state/clean/part-00000.json").unlink()
    assert "stage 'clean' is left out" in _refused("emit", own_run.run_dir)


def test_a_run_can_be_emitted_where_its_shards_are_not(own_run):
    text = (own_run.run_dir / "run.yaml").read_text()
    root = str(own_run.config.source.root)
    (own_run.run_dir / "run.yaml").write_text(text.replace(f"root: {root}\n", "root: /gone\n"))
    status, _, errors = _invoke("emit", own_run.run_dir, "--policy", "strict")
    assert (status, errors) == (0, "")
    assert len(_manifest(own_run.run_dir).removed_classes) == 1
