import shutil
from dataclasses import replace

import numpy as np
import pytest
from small_networks import INFERENCE, SMALL, make_network
from tiny_run import OVERLAPPING_CLASS
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.whitening import whiten_checkpoint
from manifests.input_error import InputError
from networks.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from networks.delf import DelfNetwork, DelfSettings
from networks.inference import InferenceSettings
from training import whitening
from training.whitening import WhiteningSettings

_INFERENCE = InferenceSettings(**INFERENCE)
_OPTIONS = ("--long-side", "64", "--scale", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network of four dimensions: the tiny run has few pairs."""
    settings = SMALL.model_copy(update={"dimensions": 4})
    path = tmp_path_factory.mktemp("whiten") / "four.pth"
    training = {"step": 3}
    network = make_network(settings=settings)
    save_checkpoint(path, Checkpoint(settings, network.state_dict(), None, training))
    return path


def _run(*arguments):
    return CliRunner().invoke(app, ["whiten", *map(str, arguments)], catch_exceptions=False)


def test_the_checkpoint_gets_its_whitening_and_keeps_the_rest(tiny_run, checkpoint, tmp_path):
    before = checkpoint.read_bytes()
    out = tmp_path / "whitened.pth"
    result = _run(tiny_run.run_dir, "--checkpoint", checkpoint, "--out", out, *_OPTIONS)
    assert result.exit_code == 0, result.output
    assert "4 dimensions, learned from" in result.output
    assert "1 classes that match an evaluation set were left out" in result.output
    assert checkpoint.read_bytes() == before
    old, new = load_checkpoint(checkpoint), load_checkpoint(out)
    assert old.whitening is None
    assert new.whitening.projection.shape == (4, 4)
    assert new.network == old.network
    assert new.training == old.training
    assert all(np.array_equal(new.state[name], old.state[name]) for name in old.state)


def test_twice_gives_the_same_bytes(tiny_run, checkpoint, tmp_path):
    written = []
    for name in ("a.pth", "b.pth"):
        settings = WhiteningSettings(method="pca", dimensions=2)
        report = whiten_checkpoint(
            tiny_run.run_dir, checkpoint, tmp_path / name, settings, _INFERENCE, "cpu"
        )
        assert report.dimensions == 2
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_no_image_of_a_class_that_matches_a_query_is_looked_at(
    tiny_run, checkpoint, tmp_path, monkeypatch
):
    """Nobody has decided yet, so that the class is still in the published split."""
    seen = []
    describe = whitening.describe_images
    monkeypatch.setattr(
        whitening,
        "describe_images",
        lambda embedder, images: seen.extend(images) or describe(embedder, images),
    )
    whiten_checkpoint(
        tiny_run.run_dir, checkpoint, tmp_path / "o.pth", WhiteningSettings(), _INFERENCE, "cpu"
    )
    class_of = {
        row["image_id"]: row["landmark_id"] for row in tiny_run.manifest_rows("rgldv2_clean")
    }
    assert OVERLAPPING_CLASS in class_of.values()
    assert {class_of[image.image_id] for image in seen} == {101, 102}


def test_whitening_that_a_checkpoint_has_already_is_not_applied(tiny_run, checkpoint, tmp_path):
    once, twice = tmp_path / "once.pth", tmp_path / "twice.pth"
    for source, out in ((checkpoint, once), (once, twice)):
        whiten_checkpoint(tiny_run.run_dir, source, out, WhiteningSettings(), _INFERENCE, "cpu")
    assert once.read_bytes() == twice.read_bytes()


def test_what_cannot_be_learned_is_refused_with_the_remedy(own_run, checkpoint, tmp_path):
    out = tmp_path / "out.pth"
    options = ("--checkpoint", checkpoint, "--out", out, *_OPTIONS)
    wrong = _run(own_run.run_dir, *options, "--dimensions", "9")
    assert (wrong.exit_code, "9 dimensions" in wrong.output) == (2, True)
    wrong = _run(own_run.run_dir, *options, "--max-pairs", "0")
    assert (wrong.exit_code, "--max-pairs" in wrong.output) == (2, True)
    wrong = _run(own_run.run_dir, *options, "--device", "abacus")
    assert (wrong.exit_code, "'abacus': give auto, cpu" in wrong.output) == (2, True)
    shutil.rmtree(own_run.run_dir / "manifests")
    assert _run(own_run.run_dir, *options).exit_code == 2
    assert not out.exists()


def test_a_network_of_local_features_is_refused(tiny_run, tmp_path):
    settings = DelfSettings(attention_width=4)
    path = tmp_path / "delf.pth"
    save_checkpoint(path, Checkpoint(settings, DelfNetwork(settings).state_dict()))
    with pytest.raises(InputError, match="no network of global descriptors"):
        whiten_checkpoint(
            tiny_run.run_dir, path, tmp_path / "o.pth", WhiteningSettings(), _INFERENCE
        )


def test_a_run_without_evaluation_set_has_no_suspects(own_run, checkpoint, tmp_path):
    config = own_run.config.model_copy(update={"evaluation_sets": ()})
    run = replace(own_run, config=config)
    run.finish()
    report = whiten_checkpoint(
        run.run_dir, checkpoint, tmp_path / "o.pth", WhiteningSettings(), _INFERENCE, "cpu"
    )
    assert report.num_suspect_classes == 0
