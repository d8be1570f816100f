"""One HTML file that tells a person what a run did: numbers, reasons, pictures, distributions."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cleanmark.reporting.classes import StripSettings, choose_strips, list_classes, make_strips
from cleanmark.reporting.data import (
    describe_keep_rule,
    describe_manifest_notes,
    describe_removal_policy,
    draw_charts,
    find_next_steps,
    list_reasons,
    read_provenance,
    trace_flow,
)
from cleanmark.reporting.overlap import (
    CandidateSettings,
    FigureMaker,
    describe_decisions,
    read_candidates,
    summarise_by_class,
)
from cleanmark.reporting.pictures import PictureInliner, TrainingImages, find_places
from cleanmark.reporting.query_images import QueryImages
from cleanmark.reporting.tables import count_images, count_pairs, count_verdicts, list_parts
from cleanmark.reporting.uncertain import UncertainSettings, make_uncertain_figures
from manifests.atomic import write_text
from manifests.manifest_json import Manifest, read_manifest
from manifests.rows import MEANINGS, CandidateVerdict, RemovalReason
from manifests.strict_model import StrictModel
from pipelines.decision_log import current_decisions
from pipelines.run_config import RunConfig
from pipelines.run_folder import RunFolderError, read_config
from pipelines.stages.emit import FOLDER
from pipelines.stages.ingest import Join

_TEMPLATE = "report.html.j2"


class ReportSettings(StrictModel):
    """Bounds of the page, so that a run with millions of images still gives a small file."""

    max_picture_bytes: int = 5_000_000
    """All pictures together, as they stand in the file."""
    max_broken: int = 200
    max_removed_classes: int = 200
    max_digests: int = 200
    strips: StripSettings = StripSettings()
    candidates: CandidateSettings = CandidateSettings()
    uncertain: UncertainSettings = UncertainSettings()


def write_report(
    run_dir: Path,
    out: Path | None = None,
    settings: ReportSettings = ReportSettings(),  # noqa: B008  (it is immutable)
) -> Path:
    """Write the report of a finished run as one self-contained HTML file.

    Nothing is loaded from elsewhere: style, charts and pictures are in the file. The same run
    gives the same bytes.

    Args:
        run_dir: the run folder.
        out: the file; `report.html` in the run folder if None.
        settings: how much is shown.

    Returns:
        The path of the file.

    Raises:
        RunFolderError: `run_dir` is no run folder, or the job has not written manifests there.
    """
    config = read_config(run_dir)
    manifest = _read_manifest(run_dir)
    page = (
        _environment().get_template(_TEMPLATE).render(_gather(run_dir, config, manifest, settings))
    )
    path = out or run_dir / "report.html"
    write_text(path, page)
    return path


def _read_manifest(run_dir: Path) -> Manifest:
    path = run_dir / FOLDER / "manifest.json"
    if not path.is_file():
        raise RunFolderError(
            f"{run_dir}: the job has not written manifests yet; finish it with `cleanmark run`"
        )
    return read_manifest(path)


def _gather(
    run_dir: Path, config: RunConfig, manifest: Manifest, settings: ReportSettings
) -> dict[str, Any]:
    """Everything the template shows."""
    images = count_images(run_dir, settings.max_broken)
    verdicts = count_verdicts(run_dir)
    removed = frozenset(removal.landmark_id for removal in manifest.removed_classes)
    inliner = PictureInliner(settings.max_picture_bytes)
    # Candidates come first: when space runs out, thumbnails are the smaller loss.
    overlap = _gather_overlap(run_dir, config, inliner, settings.candidates)
    uncertain = make_uncertain_figures(run_dir, config, inliner, settings.uncertain)
    classes = list_classes(images, verdicts, removed)
    strips = make_strips(
        run_dir,
        config.source.root,
        choose_strips(classes, settings.strips),
        inliner,
        settings.strips,
    )
    return {
        "run_name": run_dir.resolve().name,
        "manifest": manifest,
        "flow": trace_flow(manifest, images),
        "next_steps": find_next_steps(config, run_dir, manifest),
        "keep_rule": describe_keep_rule(config.clean),
        "removal_policy": describe_removal_policy(config),
        "notes": describe_manifest_notes(manifest),
        "reasons": list_reasons(manifest),
        "classes": classes,
        "strips": strips,
        "overlap": overlap,
        "uncertain": uncertain,
        "has_evaluation_sets": bool(config.evaluation_sets),
        "charts": draw_charts(images, verdicts, count_pairs(run_dir), removed, config),
        "broken": images.broken,
        "num_broken": sum(manifest.removed.get("ingest", {}).values()),
        "provenance": read_provenance(run_dir, manifest),
        "settings": settings,
        "num_pictures_left_out": inliner.num_left_out,
        "candidate_meanings": {str(v): MEANINGS[v] for v in CandidateVerdict},
        "removal_meanings": {str(r): MEANINGS[r] for r in RemovalReason},
    }


def _gather_overlap(
    run_dir: Path, config: RunConfig, inliner: PictureInliner, settings: CandidateSettings
) -> dict[str, Any]:
    candidates = read_candidates(run_dir)
    decided = describe_decisions(current_decisions(run_dir))
    shown = candidates[: settings.max_figures]
    places = find_places(list_parts(run_dir, Join.name), (row["image_id"] for row in shown))
    training = TrainingImages(config.source.root, places)
    maker = FigureMaker(QueryImages(config), training, decided, inliner, settings)
    return {
        "num_candidates": len(candidates),
        "by_class": summarise_by_class(candidates, decided),
        "figures": [maker.make(row) for row in shown],
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cleanmark.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = _format_count
    environment.filters["percent"] = _format_percent
    environment.filters["words"] = _format_words
    return environment


def _format_count(number: int) -> str:
    return f"{number:,}"


def _format_percent(share: float) -> str:
    """A share in per cent; what is neither nothing nor everything never looks like it."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"


def _format_words(code: str) -> str:
    return code.replace("_", " ")
