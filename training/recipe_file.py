"""Recipes in YAML files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from manifests.input_error import InputError
from manifests.yaml_settings import (
    describe_problems,
    parse_override,
    put_value,
    read_yaml_settings,
)
from training.recipe import Recipe

TORCHVISION: Final = "torchvision"
_PATHS: Final = (("data", "manifest"), ("data", "shards"), ("weights",))
_NOT_PATHS: Final = ("http://", "https://", "file://")

_MAY_CHANGE: Final = {
    "data": True,
    "gradient_accumulation": True,
    "device": True,
    "log_every_steps": True,
    "checkpoints": True,
    "validation": True,
    "weights": True,
}
"""What a training that was stopped may go on with differently: it decides no weight, or no more."""


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a YAML file and the `--set` arguments.

    Relative paths of the file count from the file's folder, those of `overrides` from the current
    folder.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value`, the value in YAML.

    Raises:
        InputError: naming the setting by its path.
    """
    content = read_yaml_settings(path)
    _anchor_paths(content, path.resolve().parent)
    for override in overrides:
        put_value(content, *parse_override(override))
    _anchor_paths(content, Path.cwd())
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        problems = describe_problems(error, "docs/training.md")
        raise InputError("\n".join(f"{path}: {problem}" for problem in problems)) from error


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML that `load_recipe` reads back."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def find_changes(old: dict[str, Any], new: Recipe) -> list[str]:
    """Names of the settings by which a training that goes on would become another one.

    Args:
        old: the dump that a checkpoint holds.
        new: the recipe to go on with.
    """
    fixed = new.model_dump(mode="json", exclude=_MAY_CHANGE)
    return sorted(_differences(old, fixed, ""))


def dump_fixed(recipe: Recipe) -> dict[str, Any]:
    """What `find_changes` compares."""
    return recipe.model_dump(mode="json", exclude=_MAY_CHANGE)


def _differences(old: object, new: object, name: str) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in old.keys() | new.keys():
            inner = f"{name}.{key}" if name else str(key)
            found += _differences(old.get(key), new.get(key), inner)
        return found
    return [] if old == new else [name]


def _anchor_paths(content: dict[str, Any], folder: Path) -> None:
    for *parents, key in _PATHS:
        section: Any = content
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        value = section.get(key) if isinstance(section, dict) else None
        if isinstance(value, str) and value != TORCHVISION and not value.startswith(_NOT_PATHS):
            section[key] = str(folder / Path(value).expanduser())
