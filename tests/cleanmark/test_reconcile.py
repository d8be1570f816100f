import io

import pyarrow.parquet as pq
from rich.console import Console
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.reconcile import reconcile
from cleanmark.rgldv2 import Lists, rebuild_rgldv2_clean
from manifests.gldv2_csv import write_train_clean_csv

CLASSES = {47378: ["00000000000000a1", "00000000000000a2"], 7: ["00000000000000b1"]}


def _lists(tmp_path):
    write_train_clean_csv(tmp_path / "train_clean.csv", CLASSES)
    made = rebuild_rgldv2_clean(
        Lists(tmp_path / "train_clean.csv"), tmp_path / "out", allow_other_totals=True
    )
    assert made.counts.images == 1
    return tmp_path / "train_clean.csv", tmp_path / "out"


def _say(*arguments, **options):
    text = io.StringIO()
    differences = reconcile(*arguments, Console(file=text, width=200), **options)
    return differences.to_pylist(), text.getvalue()


def test_a_rebuilt_split_explains_itself(tmp_path):
    full, rebuilt = _lists(tmp_path)
    differences, said = _say(full, rebuilt)
    assert [(r["image_id"], r["cause"]) for r in differences] == [
        (image_id, "removed_there") for image_id in CLASSES[47378]
    ]
    assert "overlap: published" in said
    assert "does not agree with itself" not in said


def test_lists_without_reasons_are_explained_by_the_paper_which_contradicts_itself(tmp_path):
    full, rebuilt = _lists(tmp_path)
    differences, said = _say(full, rebuilt / "rgldv2_clean/train_clean.csv")
    assert {r["cause"] for r in differences} == {"published_overlap"}
    # 1,227 and 315 images by Table 2, of 10 and 7 classes of Table A12.
    assert "Paris 11 classes/1,227 images, Oxford 6 classes/315 images" in said
    assert "Paris 10/1,227, Oxford 7/315, text 1/23" in said


def test_the_command_writes_every_difference(tmp_path):
    full, rebuilt = _lists(tmp_path)
    out = tmp_path / "differences.parquet"
    command = ["reconcile", str(full), str(rebuilt), "--out", str(out), "--paper"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert pq.read_table(out)["image_id"].to_pylist() == CLASSES[47378]
    assert "does not agree with itself" in result.stdout


def test_a_list_that_cannot_be_read_is_refused_in_one_line(tmp_path):
    result = CliRunner().invoke(app, ["reconcile", str(tmp_path), str(tmp_path / "b")])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"cleanmark: {tmp_path}: neither a run")
