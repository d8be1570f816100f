"""Fixtures shared by all tests: folders of real data, which may be absent, and a tiny run."""

import os
import shutil
import signal
from pathlib import Path

import hypothesis
import pytest
from stage_runs import Run
from tiny_run import tiny_config, write_tiny_gldv2

# A shell starts background jobs with Ctrl-C ignored; whatever a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A limit on the time of one example would be a timed assertion in disguise, and an example that
# fails must fail again on the next machine.
hypothesis.settings.register_profile("cleanmark", deadline=None, derandomize=True)
hypothesis.settings.load_profile("cleanmark")

_SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def photos_root() -> Path:
    """A small GLDv2 made of real photographs."""
    return _find("CLEANMARK_PHOTOS", _SHARED / "photos" / "gldv2_mini", "real photographs")


@pytest.fixture(scope="session")
def groundtruth_root() -> Path:
    """The ground-truth files of Revisited Oxford and Paris."""
    return _find("CLEANMARK_GROUNDTRUTH", _SHARED / "groundtruth", "Revisited ground truth")


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set; shared, so nobody may change it."""
    return write_tiny_gldv2(tmp_path_factory.mktemp("tiny") / "gldv2")


@pytest.fixture(scope="session")
def tiny_run(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on the tiny data set, made in this process; shared likewise."""
    config = tiny_config(tiny_root, clean={"min_verified_neighbours": 1})
    run = Run(config, tmp_path_factory.mktemp("tiny_run"))
    run.finish()
    return run


@pytest.fixture
def own_run(tiny_run: Run, tmp_path: Path) -> Run:
    """A copy of the finished run that a test may change."""
    shutil.copytree(tiny_run.run_dir, tmp_path / "run")
    return Run(tiny_run.config, tmp_path / "run")


def _find(variable: str, default: Path, what: str) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"no {what} at {folder}; set {variable} to their folder")
    return folder
