"""Fixtures shared by all tests: the folders of real data, which may be absent."""

import os
from pathlib import Path

import pytest

_SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def photos_root() -> Path:
    """A small GLDv2 made of real photographs."""
    return _find("CLEANMARK_PHOTOS", _SHARED / "photos" / "gldv2_mini", "real photographs")


@pytest.fixture(scope="session")
def groundtruth_root() -> Path:
    """The ground-truth files of Revisited Oxford and Paris."""
    return _find("CLEANMARK_GROUNDTRUTH", _SHARED / "groundtruth", "Revisited ground truth")


def _find(variable: str, default: Path, what: str) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"no {what} at {folder}; set {variable} to their folder")
    return folder
