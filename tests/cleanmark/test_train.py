"""The verb `train`: to the end, stopped and gone on, and refused."""

import os
import signal

import pytest
from drawn_manifest import write_drawn_split
from typer.testing import CliRunner

from cleanmark.verbs.train import app
from training.loop.progress import ProgressLine
from training.recipe_file import dump_recipe


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_drawn_split(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def config(drawn, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_recipe(drawn.recipe(epochs=1)))
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class StopsAfterTwo(ProgressLine):
    """A user who presses Ctrl-C when the second step is done."""

    def advance(self, step):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)


def test_stopped_and_gone_on(config, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr("cleanmark.verbs.train.ProgressLine", StopsAfterTwo)
    stopped = run(config, "--out", out)
    assert stopped.exit_code == 130
    assert "stopped after step 2" in stopped.output
    assert "the same command goes on" in stopped.output
    monkeypatch.undo()
    finished = run(config, "--out", out)
    assert finished.exit_code == 0
    assert "going on after step 2" in finished.output
    assert "epoch 1: loss" in finished.output
    assert (out / "network.pt").is_file()
    assert list((out / "curves").iterdir())


def test_what_is_refused_is_one_line(config, tmp_path):
    result = run(config, "--set", f"data.shards={tmp_path}", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "1 of 1 shards are missing" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()
