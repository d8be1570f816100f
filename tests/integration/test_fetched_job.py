"""A job that fetches its own data from a local server, and goes on when the server did not."""

import io
from pathlib import Path

import pytest
from fault_server import Fault, FaultServer
from rich.console import Console
from stage_runs import Run
from tiny_run import tiny_config
from typer.testing import CliRunner

from cleanmark.cli import app
from pipelines.job import describe_run, run_job
from pipelines.run_config import dump_config

pytestmark = pytest.mark.usefixtures("_fork_server")
NUM_MINI_IMAGES = 146


@pytest.fixture
def _fork_server():
    from pipelines.fork_server import start_fork_server

    start_fork_server(["pytest"])


def serve(folder: Path) -> FaultServer:
    names = [path for path in folder.rglob("*") if path.is_file() and "eval" not in path.parts]
    return FaultServer({f"/{path.relative_to(folder)}": path.read_bytes() for path in names})


def make_config(root: Path, url: str, shards: str):
    fetch = {"base_url": url, "shards": shards, "margin_bytes": 0, "max_attempts": 2,
             "backoff_seconds": 0.001}  # fmt: skip
    return tiny_config(root, with_evaluation_set=False, source={"root": root, "fetch": fetch})


def run(config, run_dir):
    return run_job(config, run_dir, Console(file=io.StringIO()), only=["ingest"])


def test_real_photographs_are_fetched_and_ingested(photos_root, tmp_path):
    with serve(photos_root) as server:
        config = make_config(tmp_path / "data", server.url, "0-2")
        file = tmp_path / "job.yaml"
        file.write_text(dump_config(config))
        arguments = ["run", str(file), "--out", str(tmp_path / "run"), "--only", "ingest"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        sent = server.sent_bytes
        assert CliRunner().invoke(app, arguments).exit_code == 0
        assert server.sent_bytes == sent
    rows = Run(config, tmp_path / "run").rows("files")
    assert len(rows) == NUM_MINI_IMAGES
    for shard in ("images_000", "images_001", "images_002"):
        fetched = tmp_path / "data" / "train" / f"{shard}.tar"
        assert fetched.read_bytes() == (photos_root / "train" / f"{shard}.tar").read_bytes()


def test_missing_shard_stops_the_job_by_name_and_the_next_run_goes_on(tiny_root, tmp_path):
    with serve(tiny_root) as server:
        config = make_config(tmp_path / "data", server.url, "0-1")
        server.faults["/train/images_001.tar"] = [Fault(status=404)]
        (result,) = run(config, tmp_path / "run")
        assert result.name == "ingest.fetch"
        assert [failure.unit_id for failure in result.failures] == ["train/images_001.tar"]
        assert not (tmp_path / "run" / "files").exists()
        name, num_files, tally = next(iter(describe_run(config, tmp_path / "run")))
        assert (name, num_files, tally.num_done, tally.num_failed) == ("ingest.fetch", 7, 6, 1)
        results = run(config, tmp_path / "run")
        assert [r.name for r in results] == ["ingest.fetch", "ingest.scan", "ingest.join"]
        assert not any(r.failures for r in results)
        assert len(server.gets("/train/images_000.tar")) == 1
    assert {row["shard"] for row in Run(config, tmp_path / "run").rows("files")} == {
        "train/images_000.tar",
        "train/images_001.tar",
    }


def test_where_data_come_from_does_not_change_what_comes_out(tiny_root, tmp_path):
    with serve(tiny_root) as server:
        config = make_config(tmp_path / "data", server.url, "0-1")
        run(config, tmp_path / "run")
    local = tiny_config(tiny_root, with_evaluation_set=False)
    run(local, tmp_path / "local")
    assert config.digest == local.digest
    for table in ("files", "images"):
        assert Run(config, tmp_path / "run").rows(table) == Run(local, tmp_path / "local").rows(
            table
        )


def test_fetched_job_runs_again_without_the_server(tiny_root, tmp_path):
    with serve(tiny_root) as server:
        config = make_config(tmp_path / "data", server.url, "0-1")
        run(config, tmp_path / "run")
    assert not any(result.failures for result in run(config, tmp_path / "run"))


def test_stages_that_read_no_shards_do_not_fetch(tiny_root, tmp_path):
    with serve(tiny_root) as server:
        config = make_config(tmp_path / "data", server.url, "0-1")
        run(config, tmp_path / "run")
        before = len(server.requests)
        console = Console(file=io.StringIO())
        results = run_job(config, tmp_path / "run", console, only=["describe"])
        assert [result.name for result in results] == ["describe"]
        assert len(server.requests) == before
