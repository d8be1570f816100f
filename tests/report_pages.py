"""Reports of runs, read; and decisions put into runs."""

import csv
from types import SimpleNamespace

from html_page import Page

from cleanmark.reporting.page import ReportSettings, write_report
from manifests.manifest_json import read_manifest
from pipelines.decision_log import import_decisions


def read_page(run_dir, folder, settings=None):
    out = folder / "page.html"
    write_report(run_dir, out, settings or ReportSettings())
    return Page(out.read_text(encoding="utf-8"))


def describe_run(run_dir, folder):
    manifest = read_manifest(run_dir / "manifests" / "manifest.json")
    return SimpleNamespace(run_dir=run_dir, manifest=manifest, page=read_page(run_dir, folder))


def confirm(run_dir, folder, rows, reviewer="anna"):
    """Say `same` of some candidates."""
    path = folder / f"{reviewer}.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at"))
        for row in rows:
            key = (row["eval_set"], row["query_id"], row["image_id"])
            writer.writerow((*key, reviewer, "same", "2024-05-01T10:00:00Z"))
    import_decisions(run_dir, path)
