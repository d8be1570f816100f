"""Recipes: defaults, files, overrides, and what may change when a training goes on."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from manifests.input_error import InputError
from training.recipe import Recipe
from training.recipe_file import dump_fixed, dump_recipe, find_changes, load_recipe

CONFIGS = Path(__file__).parents[2] / "configs" / "train"
DATA = {"manifest": "m", "shards": "s"}


def write(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_the_defaults_are_the_recipe_of_the_paper():
    recipe = Recipe.model_validate({"data": DATA})
    network = recipe.network_settings
    assert (network.backbone, network.dimensions, network.pooling.kind) == (
        "resnet101",
        2048,
        "gem",
    )
    assert (recipe.loss.name, recipe.loss.arcface.margin) == ("arcface", 0.3)
    assert (recipe.optimiser.kind, recipe.optimiser.momentum) == ("sgd", 0.9)
    assert recipe.optimiser.parameters.weight_decay == 1e-5
    assert (recipe.learning_rate.peak, recipe.learning_rate.warmup_epochs) == (1e-3, 3)
    assert (recipe.batch_size, recipe.epochs, recipe.batches.by_aspect) == (128, 50, True)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_that_comes_along_is_valid(path):
    recipe = load_recipe(path)
    assert load_recipe_again(recipe) == recipe


def load_recipe_again(recipe):
    return Recipe.model_validate(yaml.safe_load(dump_recipe(recipe)))


def test_every_setting_is_documented():
    recipe = Recipe.model_validate({"data": DATA, "weight_average": {}})
    documented = (CONFIGS.parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
    missing = [key for key in list_keys(recipe) if f"| `{key}` |" not in documented]
    assert missing == []


def list_keys(settings, prefix=""):
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel) and name != "network":
            yield from list_keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_paths_count_from_the_file_and_those_of_overrides_from_here(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = write(tmp_path, "data: {manifest: m, shards: s}\nweights: start.pt\n")
    recipe = load_recipe(path, ["data.shards=t"])
    assert recipe.data.manifest == tmp_path / "m"
    assert recipe.data.shards == elsewhere / "t"
    assert recipe.weights == str(tmp_path / "start.pt")


@pytest.mark.parametrize("weights", ["torchvision", "https://example.org/w-0123abcd.pth"])
def test_weights_that_are_no_path_stay_as_they_are(tmp_path, weights):
    path = write(tmp_path, f"data: {{manifest: m, shards: s}}\nweights: {weights}\n")
    assert load_recipe(path).weights == weights


@pytest.mark.parametrize(
    ("text", "overrides", "problem"),
    [
        ("epochs: 1", (), "data: must be given"),
        ("data: {manifest: m, shards: s}\nepoch: 1", (), "epoch: there is no such setting"),
        ("data: {manifest: m, shards: s}", ["batches.long_side_px=100"], "batches.long_side_px: "),
        ("data: {manifest: m, shards: s}", ["network=resnet19"], "no network 'resnet19'"),
        ("data: {manifest: m, shards: s}", ["epochs"], "expected dotted.key=value"),
        ("data: {manifest: m, shards: s}", ["epochs.more=1", "epochs.more.yet=1"], "plain value"),
        ("epochs: 1\nepochs: 2", (), "given twice"),
        ("[1, 2]", (), "expected sections"),
        ("a: [", (), "not readable as YAML"),
    ],
)
def test_mistakes_are_named(tmp_path, text, overrides, problem):
    with pytest.raises(InputError, match=problem):
        load_recipe(write(tmp_path, text), overrides)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such configuration file"):
        load_recipe(tmp_path / "absent.yaml")


def test_a_training_may_go_on_from_another_place_but_not_another_way():
    old = Recipe.model_validate({"data": DATA})
    moved = Recipe.model_validate({"data": DATA | {"shards": "t", "num_workers": 3}})
    other = Recipe.model_validate({"data": DATA, "learning_rate": {"peak": 0.1}, "epochs": 5})
    assert find_changes(dump_fixed(old), moved) == []
    assert find_changes(dump_fixed(old), other) == ["epochs", "learning_rate.peak"]
