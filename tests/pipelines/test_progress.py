import io

import pytest
from pipelines_helpers import ToyStage
from rich.console import Console

from pipelines.in_flight import InFlight
from pipelines.markers import clear_unit
from pipelines.progress import MarkerWatch, StageProgress
from pipelines.run_unit import run_unit


def _run(stage, *unit_ids):
    for unit_id in unit_ids:
        run_unit(stage, stage.run_dir, stage.unit(unit_id))


def _show(stage, console, *unit_ids, already_done=0):
    with StageProgress(console, "toy", 4, already_done, stage.run_dir):
        _run(stage, *unit_ids)
    return console.file.getvalue()


def test_elsewhere_than_on_a_terminal_it_prints_plain_lines(tmp_path):
    stage = ToyStage(tmp_path, {"u01": "raise"}, items={"u00": ["a"] * 1200})
    text = _show(stage, Console(file=io.StringIO(), width=40), "u00", "u01")
    assert text.startswith("toy: 1/4 units done, 1 failed, ")
    assert text.endswith("items 1,200\n")
    assert "\x1b" not in text
    assert len(text.splitlines()) == 1


def test_on_a_terminal_it_shows_a_live_line(tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    text = _show(ToyStage(tmp_path), console, "u00", "u01", "u02")
    assert "toy" in text
    assert "3/4" in text
    assert "\x1b" in text


def test_units_done_earlier_have_no_part_in_the_rate(tmp_path):
    stage = ToyStage(tmp_path)
    _run(stage, "u00", "u01")
    text = _show(stage, Console(file=io.StringIO(), width=120), already_done=2)
    assert text.startswith("toy: 2/4 units done")
    assert "units/min" not in text


def test_names_with_brackets_are_not_markup(tmp_path):
    console = Console(file=io.StringIO(), width=120)
    with StageProgress(console, "[red]toy", 1, 0, tmp_path):
        pass
    assert console.file.getvalue() == "[red]toy: 0/1 units done\n"


def test_the_watch_follows_markers_that_change_and_vanish(tmp_path):
    stage = ToyStage(tmp_path)
    watch = MarkerWatch(tmp_path, "toy")
    assert watch.poll().num_done == 0
    _run(ToyStage(tmp_path, {"u00": "raise"}), "u00")
    assert (watch.poll().num_done, watch.poll().num_failed) == (0, 1)
    _run(stage, "u00", "u01")
    assert (watch.poll().num_done, watch.poll().num_failed) == (2, 0)
    clear_unit(tmp_path, stage.unit("u01"))
    assert watch.poll().num_done == 1


def test_an_error_in_the_block_passes_through(tmp_path):
    console = Console(file=io.StringIO())
    with (
        pytest.raises(ValueError, match="stop"),
        StageProgress(console, "toy", 1, 0, tmp_path),
    ):
        raise ValueError("stop")
    assert "0/1" in console.file.getvalue()


def test_units_at_work_count_by_the_share_of_their_items(tmp_path):
    watch = MarkerWatch(tmp_path, "toy")
    assert watch.poll_begun() == 0
    folder = tmp_path / "state" / "toy"
    with (
        InFlight(folder / "u00.inflight", {}) as first,
        InFlight(folder / "u01.inflight", {}) as second,
    ):
        for in_flight in (first, second):
            in_flight.expect(4)
        first.advance()
        second.advance()
        second.advance()
        assert watch.poll_begun() == 0.75
    assert watch.poll_begun() == 0
