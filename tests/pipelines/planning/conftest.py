import pytest
from tiny_run import run_tiny_job, tiny_config, write_tiny_gldv2

from pipelines.planning.planner import make_plan


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    return write_tiny_gldv2(tmp_path_factory.mktemp("planned"))


@pytest.fixture(scope="session")
def tiny_job(tiny_root):
    prices = {"core_hour": 2.0, "gb_month": 3.0}
    return tiny_config(tiny_root, prices=prices)


@pytest.fixture(scope="session")
def tiny_plan(tiny_job):
    """Planned from a probe that takes in every image; made once, for many tests to look at."""
    return make_plan(tiny_job)


@pytest.fixture(scope="session")
def finished_run(tiny_job, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    run_tiny_job(tiny_job, run_dir)
    return run_dir
