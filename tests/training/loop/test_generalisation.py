"""What is learned on some classes helps to retrieve others that were never seen."""

import sys

import numpy as np
import pytest
import torch
from command_line import run_cleanmark

from networks.checkpoints import load_checkpoint
from networks.retrieval_network import RetrievalNetwork
from training.loop.distributed import World
from training.loop.loading import make_validation_loader
from training.loop.trainer import train
from training.loop.validation import validate
from training.losses import LossSettings, make_objective
from training.manifest_images import ManifestImages, read_split
from training.recipe import Recipe

ALONE = World(0, 1, torch.device("cpu"))
SMALL_LOSS = LossSettings(name="contrastive")


def read_removed_classes(manifests) -> ManifestImages:
    """Images of the clean split whose classes are not in the split without overlap."""
    clean = read_split(manifests / "gldv2_clean", "train")
    kept = {
        image_id
        for split in ("train", "val")
        for image_id in read_split(manifests / "rgldv2_clean", split).image_ids.tolist()
    }
    return clean.select([row for row, i in enumerate(clean.image_ids.tolist()) if i not in kept])


def score(network: RetrievalNetwork, images: ManifestImages, recipe: Recipe) -> float:
    loader = make_validation_loader(images, recipe, ALONE)
    objective = make_objective(SMALL_LOSS, 2, network.dimensions)
    return validate(network, objective, loader, ALONE).mean_average_precision


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_miniature_is_learned_and_helps_with_classes_never_seen(tmp_path, capsys):
    status, output, errors = run_cleanmark(
        "demo", "--out", tmp_path / "demo", patience_seconds=1800.0
    )
    assert status == 0, output + errors
    manifests = tmp_path / "demo" / "run" / "manifests"
    recipe = Recipe.model_validate(
        {
            "data": {
                "manifest": manifests / "rgldv2_clean",
                "shards": tmp_path / "demo" / "miniature",
                "num_workers": 0,
            },
            "network": "resnet18_gem",
            "batches": {"long_side_px": 128},
            "batch_size": 16,
            "epochs": 12,
            "optimiser": {"kind": "adamw"},
            "learning_rate": {"peak": 0.001, "warmup_epochs": 1},
            "device": "cpu",
        }
    )
    result = train(recipe, tmp_path / "trained", ALONE)
    held_out = read_removed_classes(manifests)
    torch.manual_seed(recipe.seed)
    untrained = score(RetrievalNetwork(recipe.network_settings), held_out, recipe)
    trained = score(load_checkpoint(tmp_path / "trained" / "network.pt").build(), held_out, recipe)
    accuracy = result.history[-1].accuracy
    with capsys.disabled():
        sys.stdout.write(
            f"\naccuracy {accuracy:.3f}; mAP on unseen classes {untrained:.3f} -> {trained:.3f}\n"
        )
    assert accuracy > 10 / len(np.unique(read_split(manifests / "rgldv2_clean", "val").class_index))
    assert trained > untrained
