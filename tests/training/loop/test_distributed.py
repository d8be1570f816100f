"""Two processes on one machine do what one does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from drawn_manifest import write_drawn_split

from manifests.input_error import InputError
from training.loop.distributed import World, joined_world
from training.recipe_file import dump_recipe

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 240


def train_in_processes(recipe, out, num_processes):
    """Train with so many processes; return what the main one recorded."""
    out.mkdir()
    (out / "given.yaml").write_text(dump_recipe(recipe))
    command = [sys.executable, "-m", "ddp_child", str(out / "given.yaml"), str(out)]
    port = str(find_free_port())
    processes = [
        subprocess.Popen(
            command,
            env=make_environment(rank, num_processes, port),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(num_processes)
    ]
    try:
        for process in processes:
            output, _ = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, output
    finally:
        for process in processes:
            process.kill()
    return json.loads((out / "losses.json").read_text())


def make_environment(rank, num_processes, port):
    """As torchrun makes it."""
    given = {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(num_processes),
    }
    return os.environ | given


def find_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_give_the_losses_of_one(tmp_path):
    split = write_drawn_split(tmp_path / "drawn")
    # Each process would normalise by its own half of a batch: with frozen statistics, the halves
    # do not matter.
    recipe = split.recipe(batch_norm="frozen", learning_rate={"peak": 0.001, "warmup_epochs": 1})
    alone = train_in_processes(recipe, tmp_path / "alone", 1)
    both = train_in_processes(recipe, tmp_path / "both", 2)
    assert len(alone["losses"]) == 6
    assert both["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    for ours, theirs in zip(both["scores"], alone["scores"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    networks = [
        torch.load(tmp_path / name / "network.pt", weights_only=True)["state"]
        for name in ("alone", "both")
    ]
    for name, value in networks[0].items():
        torch.testing.assert_close(networks[1][name], value, rtol=1e-3, atol=1e-5)


def test_a_process_alone_needs_no_group():
    world = World(0, 1, torch.device("cpu"))
    assert (world.any(True), world.any(False)) == (True, False)
    assert world.gather("a") == ["a"]
    assert world.mean(2.5) == 2.5


def test_half_of_torchruns_variables_are_refused(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    with (
        pytest.raises(InputError, match="only RANK set: start several processes with torchrun"),
        joined_world("cpu"),
    ):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="there are 0"), joined_world("cuda"):
        pass
