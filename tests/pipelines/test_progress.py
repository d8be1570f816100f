import contextlib
import io
from pathlib import Path

import pytest
from pipelines_helpers import ToyStage
from rich.console import Console

from pipelines import progress
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


def test_a_stall_is_said_with_what_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_STALL_SECONDS", 0.0)
    console = Console(file=io.StringIO(), width=200)
    folder = tmp_path / "state" / "toy"
    with (
        InFlight(folder / "u00.inflight", {}) as in_flight,
        InFlight(folder / "u01.inflight", {}),
        in_flight.item("0/1/2/0123456789abcdef.jpg"),
        StageProgress(console, "toy", 2, 0, tmp_path),
    ):
        pass
    text = console.file.getvalue()
    assert "nothing has moved for 0 s (u00: 0/1/2/0123456789abcdef.jpg; u01)" in text


def test_what_moves_is_no_stall(tmp_path):
    watch = progress._StallWatch()
    watch.update(0.0)
    watch._since -= 100
    assert watch.update(0.0) >= 100
    assert watch.update(0.1) < 100


def test_a_log_that_cannot_be_written_ends_the_block_with_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.0)
    # The file complains once more when it is closed.
    with contextlib.suppress(OSError), Path("/dev/full").open("w", buffering=1) as full:
        shown = StageProgress(Console(file=full), "toy", 4, 0, tmp_path)
        shown.__enter__()
        shown._thread.join()  # it ends at its first line
        _run(ToyStage(tmp_path), "u00")
        with pytest.raises(OSError, match="output of this command cannot be written"):
            shown.__exit__(None, None, None)
    assert MarkerWatch(tmp_path, "toy").poll().num_done == 1
