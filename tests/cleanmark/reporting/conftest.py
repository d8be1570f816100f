"""Very small runs, and their reports as a reader of the HTML finds them."""

import shutil
from types import SimpleNamespace

import pytest
import tiny_run
from report_pages import confirm, describe_run, read_page

from manifests.arrow_schemas import CANDIDATES
from manifests.manifest_json import read_manifest
from manifests.parquet_io import read_table
from pipelines.run_folder import table_parts


@pytest.fixture(scope="session")
def job(tmp_path_factory):
    """A finished run; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("tiny")
    data = tiny_run.write_tiny_gldv2(folder / "data")
    config = tiny_run.tiny_config(data)
    tiny_run.run_tiny_job(config, folder / "run")
    return SimpleNamespace(
        run_dir=folder / "run",
        data=data,
        config=config,
        manifest=read_manifest(folder / "run" / "manifests" / "manifest.json"),
    )


@pytest.fixture(scope="session")
def page(job, tmp_path_factory):
    return read_page(job.run_dir, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def reviewed(job, tmp_path_factory):
    """Two reports: after a person confirmed the overlap, and after the manifests were renewed."""
    folder = tmp_path_factory.mktemp("reviewed")
    run_dir = shutil.copytree(job.run_dir, folder / "run")
    tiny_run.confirm_overlap(run_dir, folder)
    before = read_page(run_dir, folder)
    tiny_run.run_tiny_job(job.config, run_dir)
    manifest = read_manifest(run_dir / "manifests" / "manifest.json")
    after = read_page(run_dir, folder)
    return SimpleNamespace(before=before, after=after, manifest=manifest, run_dir=run_dir)


@pytest.fixture(scope="session")
def runner_up(job, tmp_path_factory):
    """A run in which a second class is confirmed for the query, by one photograph."""
    folder = tmp_path_factory.mktemp("runner_up")
    run_dir = shutil.copytree(job.run_dir, folder / "run")
    config = tiny_run.tiny_config(job.data, overlap={"top_k": 10, "always_show_top": 8})
    tiny_run.run_tiny_job(config, run_dir)
    tiny_run.confirm_overlap(run_dir, folder)
    rows = read_table(table_parts(run_dir, "overlap"), CANDIDATES).to_pylist()
    other = next(
        row
        for row in rows
        if row["query_id"] == "overlapping" and row["landmark_id"] != tiny_run.OVERLAPPING_CLASS
    )
    confirm(run_dir, folder, [other], reviewer="ben")
    tiny_run.run_tiny_job(config, run_dir)
    run = describe_run(run_dir, folder)
    run.landmark_id = other["landmark_id"]
    return run
