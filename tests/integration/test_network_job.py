"""The whole job with a network in the place of VLAD."""

import io
import sys
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
import torch
import yaml
from faulty_stages import FaultyStage
from rich.console import Console
from small_networks import INFERENCE, write_checkpoint
from stage_runs import Run, read_outputs
from tiny_run import OVERLAPPING_CLASS, QUERIES, run_tiny_job, tiny_config

from manifests.input_error import InputError
from manifests.yaml_settings import ConfigError
from networks.checkpoints import Checkpoint, save_checkpoint
from networks.delf import DelfNetwork, DelfSettings
from pipelines import job
from pipelines.fork_server import start_fork_server
from pipelines.job import run_job
from pipelines.run_config import RunConfig, check_paths, load_config


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small.pth")


def _config(root, checkpoint, workers=1):
    network = {"checkpoint": checkpoint, "device": "cpu", "inference": INFERENCE}
    embed = {"method": "network", "network": network}
    clean = {"min_verified_neighbours": 1}
    return tiny_config(root, embed=embed, clean=clean, runner={"workers": workers})


@pytest.fixture(scope="module")
def finished(tiny_root, checkpoint, tmp_path_factory):
    """A finished run, made in this process."""
    run = Run(_config(tiny_root, checkpoint), tmp_path_factory.mktemp("network_run"))
    run.finish()
    return run


def test_the_job_keeps_what_it_keeps_with_vlad_and_finds_the_overlap(finished, tiny_run):
    described = {row["image_id"] for row in finished.rows("embeddings")}
    usable = {row["image_id"] for row in finished.rows("images") if row["status"] == "ok"}
    assert described == usable
    matched = [row for row in finished.rows("candidates") if row["verdict"] == "match"]
    assert {(row["query_id"], row["landmark_id"]) for row in matched} == {
        (QUERIES[0], OVERLAPPING_CLASS)
    }
    # Classes this small are compared pair by pair, whatever the descriptors say.
    assert finished.manifest_rows("rgldv2_clean") == tiny_run.manifest_rows("rgldv2_clean")


def test_two_worker_processes_write_the_same_bytes(finished, tmp_path):
    config = _config(
        finished.config.source.root, finished.config.embed.network.checkpoint, workers=2
    )
    start_fork_server(["pytest"])
    console = Console(file=io.StringIO())
    run_job(config, tmp_path / "run", console, only=("ingest", "embed"))
    assert not (tmp_path / "run/features").exists()
    results = {result.name: result for result in run_tiny_job(config, tmp_path / "run")}
    assert results["embed"].num_run == 0
    assert read_outputs(tmp_path / "run") == read_outputs(finished.run_dir)
    assert config.digest == finished.config.digest


def test_an_image_that_crashes_the_decoder_is_a_row_and_the_others_are_described(
    finished, tmp_path, monkeypatch
):
    """The first two workers die at the image, the third leaves it alone."""
    fatal = finished.rows("embeddings")[2]["image_id"]
    memory = tmp_path / "memory"
    memory.mkdir()
    build = job.build_steps

    def build_faulty(config, run_dir):
        return [
            FaultyStage(step, memory, items={fatal: "segfault"}) if step.name == "embed" else step
            for step in build(config, run_dir)
        ]

    monkeypatch.setattr(job, "build_steps", build_faulty)
    run = replace(finished, run_dir=tmp_path / "run")
    start_fork_server(["pytest"])
    results = run_job(
        run.config, run.run_dir, Console(file=io.StringIO()), only=("ingest", "embed")
    )
    assert not any(result.failures for result in results)
    undisturbed = {row["image_id"]: row for row in finished.rows("embeddings")}
    for row in run.rows("embeddings"):
        if row["image_id"] == fatal:
            assert (row["descriptor"], row["status"]) == (None, "decoder_crashed")
        else:
            # In a batch with other images the last digits may be others.
            expected = undisturbed[row["image_id"]]["descriptor"]
            assert np.allclose(row["descriptor"], expected, atol=2e-3)


def test_the_versions_that_a_run_records_name_torch(finished):
    recorded = yaml.safe_load((finished.run_dir / "versions.yaml").read_text())
    assert recorded["libraries"]["torch"] == version("torch")


def test_a_job_that_stopped_half_way_ends_in_the_same_bytes(finished, tmp_path):
    run = replace(finished, run_dir=tmp_path / "run")
    run.finish("embed")
    (run.run_dir / "state/embed/images_001.json").unlink()
    assert run.finish()["embed"] == ["images_001"]
    assert read_outputs(run.run_dir) == read_outputs(finished.run_dir)


def test_going_back_to_vlad_leaves_nothing_of_the_network(finished, tiny_root, tmp_path):
    run = replace(finished, run_dir=tmp_path / "run")
    run.finish("embed")
    vlad = replace(run, config=tiny_config(tiny_root, clean={"min_verified_neighbours": 1}))
    assert vlad.finish("embed")["embed"] == ["images_000", "images_001"]
    codebook = run.run_dir / "embeddings/codebook.vlad"
    assert codebook.exists()
    run.finish("embed")
    assert not codebook.exists()


def _load(tmp_path, root, embed):
    path = tmp_path / "job.yaml"
    path.write_text(f"source: {{root: {root}}}\nembed: {embed}\n")
    return load_config(path)


def test_a_checkpoint_that_is_not_there_is_refused_before_the_job(tmp_path, tiny_root):
    config = _load(tmp_path, tiny_root, "{method: network, network: {checkpoint: best.pth}}")
    assert config.embed.network.checkpoint == tmp_path / "best.pth"
    with pytest.raises(
        ConfigError, match=r"embed\.network\.checkpoint: .*best\.pth does not exist; set"
    ):
        check_paths(config)


def test_other_files_are_refused_before_the_job(tmp_path, tiny_root, checkpoint):
    check_paths(_config(tiny_root, checkpoint))
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(
        InputError, match=r"embed\.network\.checkpoint: .*damaged\.pth.*get the file"
    ):
        check_paths(_config(tiny_root, damaged))
    settings = DelfSettings(attention_width=4)
    save_checkpoint(tmp_path / "delf.pth", Checkpoint(settings, DelfNetwork(settings).state_dict()))
    with pytest.raises(InputError, match="a network of local features; give one of global"):
        check_paths(_config(tiny_root, tmp_path / "delf.pth"))


def test_a_gpu_that_is_not_there_is_refused_before_the_job(tiny_root, checkpoint):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    config = _config(tiny_root, checkpoint).model_dump()
    config["embed"]["network"]["device"] = "cuda:1"
    with pytest.raises(InputError, match=r"device cuda:1: torch finds 0 GPUs; set it to auto"):
        check_paths(RunConfig.model_validate(config))


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        ("{method: network}", "needs embed.network.checkpoint"),
        ("{method: network, network: {checkpoint: a.pth, device: tpu}}", "device"),
    ],
)
def test_half_a_section_is_refused(tmp_path, tiny_root, embed, message):
    with pytest.raises(ConfigError, match=message):
        _load(tmp_path, tiny_root, embed)


def test_without_torch_the_error_names_the_extra(tiny_root, checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "pipelines.network_embedding", None)
    with pytest.raises(ConfigError, match=r"pip install 'cleanmark\[train\]', or set it to vlad"):
        check_paths(_config(tiny_root, checkpoint))
