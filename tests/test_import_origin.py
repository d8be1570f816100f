"""Our package names are plain words; a stranger's package must not stand in for one of them."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "name",
    ["cleanmark", "curation", "manifests", "networks", "pipelines", "review_ui", "training"],
)
def test_package_comes_from_this_repository(name):
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None, f"{name} is a namespace package: another folder shadows it"
    assert Path(spec.origin).is_relative_to(ROOT)
