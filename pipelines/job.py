"""The whole job: the stages in their order, each planned when what it reads is there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from rich.console import Console

from manifests.input_error import InputError
from pipelines.engines.announced import Announced
from pipelines.engines.engine import Engine
from pipelines.fetch_step import STEP_NAME as FETCH_STEP
from pipelines.fetch_step import describe_fetch, fetch_source
from pipelines.interruption import heeding_ctrl_c
from pipelines.ledger import check_step
from pipelines.markers import Tally, output_digests, pending, prune, read_markers, tally
from pipelines.progress import StageProgress
from pipelines.recovery import recovering
from pipelines.run_config import RunConfig
from pipelines.run_folder import RunFolderError, locked, table_parts, write_config
from pipelines.runners import execute, open_engine
from pipelines.settings import SourceFetchSettings, SourceSettings
from pipelines.stages.calibrate import Calibrate
from pipelines.stages.clean import Clean
from pipelines.stages.cross_duplicates import FindCrossDuplicates
from pipelines.stages.describe import Describe
from pipelines.stages.digest_queries import DigestQueries
from pipelines.stages.embed import Embed, LearnCodebook
from pipelines.stages.embed_network import EmbedByNetwork
from pipelines.stages.emit import DECISIVE_PAIRS, FOLDER, Emit
from pipelines.stages.index_duplicates import FindIndexDuplicates
from pipelines.stages.ingest import Join, Scan
from pipelines.stages.overlap import Overlap
from pipelines.stages.uncertain import ListUncertain
from pipelines.stages.verify import Verify
from pipelines.storage import explaining_need, storage_errors
from pipelines.uncertain_list import check_unanswered
from pipelines.units import Report, Stage, UnitStatus

STAGE_NAMES = ("ingest", "describe", "embed", "verify", "clean", "overlap", "emit")
"""In the order they run. A stage may have several steps, named `stage.step` or like the stage."""


class JobError(InputError):
    """A job that cannot go on."""


@dataclass(frozen=True)
class StepResult:
    """What a step came to: its units in all, those run now, and the failed ones."""

    name: str
    num_units: int
    num_run: int
    failures: tuple[Report, ...]


def build_steps(config: RunConfig, run_dir: Path) -> list[Stage]:
    """Every step of the job, in order."""
    timeout = config.runner.unit_timeout_seconds
    search_bytes = config.runner.memory.search_bytes
    verify = Verify(
        run_dir,
        config.verify,
        timeout,
        config.clean.min_verified_neighbours,
        search_bytes=search_bytes,
    )
    clean = Clean(run_dir, config.clean, verify, timeout)
    uncertain = ListUncertain(run_dir, config.verify, clean, timeout)
    return [
        Scan(run_dir, config.source, config.ingest, timeout),
        Join(run_dir, config.source, timeout),
        *_build_descriptions(config, run_dir),
        verify,
        clean,
        Calibrate(run_dir, config.verify, timeout),
        uncertain,
        FindCrossDuplicates(run_dir, config.duplicates, config.verify, timeout),
        FindIndexDuplicates(
            run_dir,
            config.duplicates,
            config.verify,
            config.describe,
            config.ingest.item_timeout_seconds,
            timeout,
        ),
        DigestQueries(run_dir, config.evaluation_sets, config.overlap.queries_per_unit, timeout),
        Overlap(
            run_dir,
            config.evaluation_sets,
            config.overlap,
            config.verify,
            config.describe,
            config.embed,
            timeout,
            search_bytes,
            config.source.root,
        ),
        Emit(run_dir, config.emit, config.verify, uncertain, config.digest, timeout),
    ]


def _build_descriptions(config: RunConfig, run_dir: Path) -> list[Stage]:
    """Local features and global descriptors, in the order in which one needs the other."""
    timeout = config.runner.unit_timeout_seconds
    item_timeout = config.ingest.item_timeout_seconds
    describe = Describe(run_dir, config.source, config.describe, item_timeout, timeout)
    codebook = LearnCodebook(run_dir, config.embed, timeout)
    settings = config.embed.used_network
    if settings is None:
        return [describe, codebook, Embed(run_dir, timeout)]
    workers = config.runner.num_workers
    network = EmbedByNetwork(run_dir, config.source, settings, workers, item_timeout, timeout)
    # It reads pixels: a machine with a GPU may embed while another describes, or before.
    return [codebook, network, describe]


def stage_of(step_name: str) -> str:
    """The stage that a step belongs to."""
    return step_name.partition(".")[0]


def run_job(
    config: RunConfig,
    run_dir: Path,
    console: Console,
    *,
    only: Sequence[str] = (),
    beam_args: Sequence[str] = (),
) -> list[StepResult]:
    """Run what is not done yet; stop after the first step with a failed unit.

    The folder takes on the configuration when something is done for it, or nothing is left to do: a
    job that is refused before leaves that of the last one.

    Args:
        config: the job.
        run_dir: its folder; made if it is missing, resumed if it is there.
        console: where progress is shown.
        only: names of the stages to run; all when empty.
        beam_args: Beam's own options.

    Returns:
        One result per step that was looked at, in order.

    Raises:
        JobError: `only` names no stage.
        RunFolderError: another process is at work in the folder, or a stage that is left out is
            not finished for this configuration.
        EngineError: the engine cannot be used as it is set up.
        StorageError: the run folder is full.
        LedgerError: a step has lost or doubled an image.
        ManualAnswerError: answers of people do not fit the run, or would be written over.
    """
    unknown = [name for name in only if name not in STAGE_NAMES]
    if unknown:
        raise JobError(f"no stage is called {unknown[0]!r}; stages are {', '.join(STAGE_NAMES)}")
    # Workers may have another current folder.
    run_dir = run_dir.absolute()
    results: list[StepResult] = []
    steps = build_steps(config, run_dir)
    record = cache(partial(_record, run_dir, config))
    # The engine first: what it lacks is better known before days of fetching.
    with (
        heeding_ctrl_c() as heed_ctrl_c,
        locked(run_dir),
        recovering(run_dir, [step.name for step in steps], console),
        open_engine(config.runner, beam_args) as engine,
    ):
        if config.source.fetch is not None and (not only or stage_of(FETCH_STEP) in only):
            results.append(_run_fetch(config.source, config.source.fetch, console, record))
            if results[-1].failures:
                return results
        announced = Announced(engine, console)
        for result in _run_steps(steps, run_dir, console, only, announced, record):
            results.append(result)
            heed_ctrl_c()
        record()
    return results


def _record(run_dir: Path, config: RunConfig) -> None:
    with storage_errors(run_dir, "writing the configuration"):
        write_config(run_dir, config)


def _run_steps(
    steps: Sequence[Stage],
    run_dir: Path,
    console: Console,
    only: Sequence[str],
    engine: Engine,
    record: Callable[[], None],
) -> Iterator[StepResult]:
    left_out: list[Stage] = []
    for stage in steps:
        if only and stage_of(stage.name) not in only:
            left_out.append(stage)
            continue
        _check_finished(left_out, run_dir)
        left_out.clear()
        if isinstance(stage, Emit):
            check_unanswered(run_dir / FOLDER / DECISIVE_PAIRS)
            _check_answers(stage.uncertain.clean, run_dir)
        result = run_step(stage, run_dir, console, engine, record)
        yield result
        if result.failures:
            break


def describe_run(config: RunConfig, run_dir: Path) -> Iterator[tuple[str, int | None, Tally]]:
    """For each step: name, planned units, and what the markers of the current plan say.

    The number of units is None where the steps before have not finished, so that nobody can know
    it; the tally then tells of an earlier run.
    """
    plannable = True
    if config.source.fetch is not None:
        num_files, seen = describe_fetch(config.source, config.source.fetch)
        yield FETCH_STEP, num_files, seen
        plannable = seen.num_done == num_files
    for stage in build_steps(config, run_dir):
        markers = read_markers(run_dir, stage.name)
        if not plannable:
            yield stage.name, None, tally(markers)
            continue
        units = stage.plan()
        waiting = {unit.unit_id for unit in pending(run_dir, units)}
        planned = {unit.unit_id for unit in units}
        current = [
            marker
            for marker in markers
            if marker.unit_id in planned
            and (marker.unit_id not in waiting or marker.status is UnitStatus.FAILED)
        ]
        yield stage.name, len(units), tally(current)
        plannable = not waiting


def _check_finished(stages: Sequence[Stage], run_dir: Path) -> None:
    """Refuse to go on from half-finished tables: what they lack would silently be missing."""
    for stage in stages:
        if isinstance(stage, Scan | Join):
            # Not planned again, because the shards need not be on this machine any more.
            _check_joined(run_dir)
        elif waiting := pending(run_dir, stage.plan()):
            raise RunFolderError(
                f"{run_dir}: stage {stage_of(stage.name)!r} is left out, but {len(waiting)} of its "
                "units are not done for this configuration; run it too, with `cleanmark run`"
            )


def _check_answers(clean: Clean, run_dir: Path) -> None:
    """Refuse to publish other answers of people than those that the classes were judged by."""
    if clean.settings.answers is not None and pending(run_dir, clean.plan()):
        raise JobError(
            f"{clean.settings.answers}: has changed since the classes were judged; run the same "
            "command again"
        )


def _check_joined(run_dir: Path) -> None:
    joined = {part.name for part in table_parts(run_dir, Join.name)}
    scanned = {Path(path).name for path in output_digests(run_dir, Scan.name)}
    if missing := sorted(scanned - joined):
        raise RunFolderError(
            f"{run_dir}: stage 'ingest' is left out, but {missing[0]} was not joined with the "
            "lists of classes; run it too"
        )


def _run_fetch(
    source: SourceSettings,
    fetch: SourceFetchSettings,
    console: Console,
    record: Callable[[], None],
) -> StepResult:
    num_files, seen = describe_fetch(source, fetch)
    if seen.num_done < num_files:
        record()
    result, failures = fetch_source(source, fetch, console)
    for note in result.notes:
        console.print(f"{FETCH_STEP}: {note}", highlight=False, markup=False, soft_wrap=True)
    return StepResult(FETCH_STEP, result.num_files, result.num_pending, failures)


def run_step(
    stage: Stage,
    run_dir: Path,
    console: Console,
    engine: Engine,
    record: Callable[[], None] = lambda: None,
) -> StepResult:
    """Plan a step, forget what is planned no more, and run what is not done yet.

    `record` is called before the first unit is run, and if anything was forgotten.
    """
    units = stage.plan()
    forgotten = prune(run_dir, stage.name, units)
    waiting = pending(run_dir, units)
    if forgotten or waiting:
        record()
    if not waiting:
        console.print(f"{stage.name}: all {len(units)} units done before", highlight=False)
        check_step(run_dir, stage.name)
        return StepResult(stage.name, len(units), 0, ())
    num_done = len(units) - len(waiting)
    with (
        StageProgress(console, stage.name, len(units), num_done, run_dir),
        explaining_need(run_dir, stage.name, units),
    ):
        reports = execute(stage, waiting, run_dir, engine)
    failures = tuple(report for report in reports if report.status is UnitStatus.FAILED)
    if not failures:
        check_step(run_dir, stage.name)
    return StepResult(stage.name, len(units), len(waiting), failures)


def is_finished(config: RunConfig, run_dir: Path) -> bool:
    """Whether the manifests are there, and made from what the folder now holds."""
    units = build_steps(config, run_dir)[-1].plan()
    return not pending(run_dir, units)
