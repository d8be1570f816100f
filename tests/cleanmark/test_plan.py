"""The verb `plan` and its table; most plans here read no photograph, so that they are quick."""

import io
import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from tiny_run import tiny_config, write_tiny_gldv2
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.plan import format_count, format_hours, print_plan
from pipelines.planning.plan_file import Plan
from pipelines.planning.planner import make_plan
from pipelines.run_config import RunConfig, dump_config

RATES = {
    "scan_seconds_per_image": 3600,
    "describe_seconds_per_image": 7200,
    "features_bytes_per_image": 5e9,
    "verify_seconds_per_pair": 360,
    "matches_bytes_per_pair": 1e6,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny_gldv2(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def config_file(root, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(dump_config(tiny_config(root, plan={"rates": RATES})))
    return path


def _plan(*arguments):
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def _print(config, **options):
    text = io.StringIO()
    print_plan(Console(file=text, width=180), make_plan(config, **options))
    return text.getvalue()


def _changed(root, **sections):
    return RunConfig.model_validate(tiny_config(root).model_dump(mode="json") | sections)


def test_a_plan_without_photographs_is_printed_and_written(config_file, tmp_path):
    done = _plan(config_file, "--no-probe", "--out", tmp_path / "plan.json")
    assert done.exit_code == 0, done.output
    assert "no photograph was read" in done.output
    plan = Plan.model_validate_json((tmp_path / "plan.json").read_text())
    assert plan.step("ingest.scan").core_hours.value == 17
    assert plan.totals.disk_bytes.value > 15 * 5e9
    assert json.loads((tmp_path / "plan.json").read_text())["plan_version"] == 1


def test_a_probe_measures_photographs_and_serves_another_plan(config_file, tmp_path):
    out = tmp_path / "plan.json"
    done = _plan(config_file, "--probe", "1.0", "--out", out, "--set", "plan.rates={}")
    assert done.exit_code == 0, done.output
    assert "17 images drawn evenly" in done.output
    again = _plan(config_file, "--rates", out, "--set", "prices.core_hour=100000")
    assert again.exit_code == 0, again.output
    assert "EUR" in again.output


def test_overrides_reach_the_plan(config_file, tmp_path):
    _plan(config_file, "--no-probe", "--out", tmp_path / "plan.json", "--set", "runner.workers=7")
    assert json.loads((tmp_path / "plan.json").read_text())["workers"] == 7


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--probe", "0.5", "--no-probe"], "not together"),
        (["--probe", "2"], "plan.probe.share"),
        (["--no-probe", "--set", "prices.euro=1"], "prices.euro"),
        (["--no-probe", "--set", "source.root=/nowhere/at/all"], "train.csv"),
        (["--rates", "/nowhere/plan.json"], "/nowhere/plan.json"),
        (["--no-probe", "--run", "/nowhere/run"], "/nowhere/run"),
    ],
)
def test_bad_input_is_named_and_ends_with_status_2(config_file, arguments, complaint):
    done = _plan(config_file, *arguments)
    assert done.exit_code == 2
    assert complaint in done.output


def test_a_configuration_that_is_missing_ends_with_status_2(tmp_path):
    assert _plan(tmp_path / "none.yaml").exit_code == 2


def test_the_table_has_money_only_with_prices(root):
    assert "CHF" not in _print(_changed(root, plan={"rates": RATES}), probe=False)
    prices = {"currency": "CHF", "core_hour": 10, "gb_month": 0}
    said = _print(_changed(root, plan={"rates": RATES}, prices=prices), probe=False)
    assert "CHF" in said
    assert "170.00" in said


def test_what_is_not_known_is_a_question_mark_and_a_line(root):
    said = _print(_changed(root, plan={"rates": RATES}), probe=False)
    (embed,) = (line for line in said.splitlines() if line.strip().startswith("embed "))
    assert "?" in embed
    assert "duration, disk of ingest.join, embed.codebook, embed, clean" in said


def test_what_dominates_is_named_with_the_setting_that_changes_it(root):
    said = _print(_changed(root, plan={"rates": RATES}), probe=False)
    assert "describe takes 6" in said
    assert "describe.max_features" in said


def test_gpu_hours_have_a_column_only_where_there_is_a_gpu(root, tmp_path):
    (tmp_path / "network.pth").write_bytes(b"never loaded")
    embed = {"method": "network", "network": {"checkpoint": tmp_path / "network.pth"}}
    rates = {"rates": {**RATES, "embed_gpu_seconds_per_image": 36.0}}
    assert " GPU " in _print(_changed(root, plan=rates, embed=embed), probe=False)
    without = _print(_changed(root, plan={"rates": RATES}, embed=embed), probe=False)
    assert "no GPU was measured or given" in without


@pytest.mark.parametrize(
    ("hours", "text"), [(0, "0.0 s"), (0.5, "30.0 min"), (3, "3.0 h"), (12_345, "12,345.0 h")]
)
def test_hours_are_short(hours, text):
    assert format_hours(hours) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (99_999, "99,999"), (123_456, "123 k"), (4_132_913, "4.1 M")]
)
def test_counts_are_short(count, text):
    assert format_count(count) == text


def test_the_table_fits_a_terminal(root):
    prices = {"currency": "EUR", "core_hour": 10, "gb_month": 0}
    config = _changed(root, plan={"rates": RATES}, prices=prices)
    text = io.StringIO()
    print_plan(Console(file=text, width=80), make_plan(config, probe=False))
    rows = [line for line in text.getvalue().splitlines() if line.startswith(" ")]
    assert len(rows) > 12
    assert "…" not in "".join(rows)


def test_the_examples_of_the_documentation_are_settings():
    document = Path(__file__).parents[2] / "docs" / "planning.md"
    blocks = document.read_text(encoding="utf-8").split("```yaml\n")[1:]
    for block in blocks:
        sections = yaml.safe_load(block.partition("```")[0])
        RunConfig.model_validate({"source": {"root": "/data"}, **sections})
    assert len(blocks) == 2
