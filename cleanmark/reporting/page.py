"""One HTML file that tells a person what a run did: numbers, reasons, pictures, distributions."""

from pathlib import Path
from typing import Any

from cleanmark.reporting.certified import read_certificate_part
from cleanmark.reporting.class_size_plots import plot_ranks, plot_sizes
from cleanmark.reporting.classes import (
    ClassRow,
    StripSettings,
    choose_strips,
    list_classes,
    make_strips,
)
from cleanmark.reporting.contents import list_contents
from cleanmark.reporting.evidence import EvidenceSettings
from cleanmark.reporting.funnel import trace_funnel
from cleanmark.reporting.graph_choice import GraphSettings
from cleanmark.reporting.hard_pairs import HardPairSettings, make_hard_pairs
from cleanmark.reporting.match_graphs import draw_match_graphs
from cleanmark.reporting.overlap import CandidateSettings, gather_overlap
from cleanmark.reporting.overview import (
    describe_keep_rule,
    describe_manifest_notes,
    describe_removal_policy,
    find_next_steps,
    read_provenance,
)
from cleanmark.reporting.pictures import PictureInliner
from cleanmark.reporting.planted import PlantedSettings, compare_with_truth
from cleanmark.reporting.plots import plot_inliers, plot_neighbours
from cleanmark.reporting.tables import (
    ImageTallies,
    VerdictTallies,
    count_controls,
    count_images,
    count_pairs,
    count_published,
    count_verdicts,
)
from cleanmark.reporting.templating import make_environment
from cleanmark.reporting.times import read_times
from cleanmark.reporting.two_classes import TwoClassSettings, show_two_classes
from manifests.atomic import write_text
from manifests.manifest_json import Manifest, read_manifest
from manifests.rows import MEANINGS, CandidateVerdict, DuplicateKind, RemovalReason
from manifests.strict_model import StrictModel
from pipelines.run_config import RunConfig
from pipelines.run_folder import RunFolderError, read_config
from pipelines.stages.emit import FOLDER

_TEMPLATE = "report.html.j2"


class ReportSettings(StrictModel):
    """Bounds of the page, so that a run with millions of images still gives a small file."""

    max_picture_bytes: int = 20_000_000
    """All pictures together, as they stand in the file; each section has a bound of its own."""
    max_broken: int = 200
    max_digests: int = 200
    strips: StripSettings = StripSettings()
    candidates: CandidateSettings = CandidateSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    graphs: GraphSettings = GraphSettings()
    hard_pairs: HardPairSettings = HardPairSettings()
    two_classes: TwoClassSettings = TwoClassSettings()
    planted: PlantedSettings = PlantedSettings()


def write_report(
    run_dir: Path,
    out: Path | None = None,
    settings: ReportSettings = ReportSettings(),  # noqa: B008  (it is immutable)
) -> Path:
    """Write the report of a finished run as one self-contained HTML file.

    Nothing is loaded from elsewhere: style, plots and pictures are in the file. The same run
    gives the same bytes; only the section of times tells of the machine that did it.

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
    content = _gather(run_dir, config, manifest, settings)
    page = make_environment().get_template(_TEMPLATE).render(content)
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
    classes = list_classes(images, verdicts, count_published(run_dir), removed)
    content: dict[str, Any] = {
        "run_name": run_dir.resolve().name,
        "manifest": manifest,
        "settings": settings,
        "funnel": trace_funnel(manifest, images, verdicts),
        "num_labelled_classes": sum(landmark_id is not None for landmark_id in images.ingested),
        "next_steps": find_next_steps(config, run_dir, manifest),
        "keep_rule": describe_keep_rule(config.clean),
        "removal_policy": describe_removal_policy(config),
        "notes": describe_manifest_notes(manifest),
        "classes": classes,
        "has_evaluation_sets": bool(config.evaluation_sets),
        "broken": images.broken,
        "num_broken": sum(manifest.removed.get("ingest", {}).values()),
        "times": read_times(config, run_dir),
        "provenance": read_provenance(run_dir, manifest),
        "candidate_meanings": {str(v): MEANINGS[v] for v in CandidateVerdict},
        "removal_meanings": {str(r): MEANINGS[r] for r in RemovalReason},
        "kind_meanings": {str(k): MEANINGS[k] for k in DuplicateKind},
        "certified": read_certificate_part(run_dir / FOLDER / "manifest.json"),
    }
    content |= _draw_plots(run_dir, config, manifest, classes, verdicts)
    inliner = PictureInliner(settings.max_picture_bytes)
    content |= _gather_pictures(run_dir, config, manifest, images, classes, inliner, settings)
    content["num_pictures_left_out"] = inliner.num_left_out
    content["contents"] = list_contents(content)
    return content


def _draw_plots(
    run_dir: Path,
    config: RunConfig,
    manifest: Manifest,
    classes: list[ClassRow],
    verdicts: VerdictTallies,
) -> dict[str, Any]:
    one_place = manifest.calibration.one_place if manifest.calibration else ()
    return {
        "size_plots": [plot_sizes(classes), plot_ranks(classes)],
        "inlier_plot": plot_inliers(
            count_pairs(run_dir),
            count_controls(run_dir, one_place),
            config.clean.min_inliers,
            are_least=config.verify.cascade.mode == "decide_early",
        ),
        "neighbour_plot": plot_neighbours(verdicts),
    }


def _gather_pictures(
    run_dir: Path,
    config: RunConfig,
    manifest: Manifest,
    images: ImageTallies,
    classes: list[ClassRow],
    inliner: PictureInliner,
    settings: ReportSettings,
) -> dict[str, Any]:
    """The sections with pictures; when space runs out, the last are the smallest loss."""
    names = images.names
    hard = settings.hard_pairs
    two = settings.two_classes
    planted = settings.planted
    return {
        "overlap": gather_overlap(
            run_dir, config, manifest, names, inliner, settings.evidence, settings.candidates
        ),
        "graphs": draw_match_graphs(
            run_dir,
            config,
            classes,
            inliner.take_part(settings.graphs.max_picture_bytes),
            settings.graphs,
        ),
        "hard_pairs": make_hard_pairs(
            run_dir, config, names, inliner.take_part(hard.max_picture_bytes), hard
        ),
        "two_classes": show_two_classes(
            run_dir, config, names, inliner.take_part(two.max_picture_bytes), two
        ),
        "truth": compare_with_truth(
            run_dir, config, names, inliner.take_part(planted.max_picture_bytes), planted
        ),
        "strips": make_strips(
            run_dir,
            config.source.root,
            choose_strips(classes, settings.strips),
            inliner.take_part(settings.strips.max_picture_bytes),
            settings.strips,
        ),
    }
