"""The steps of an audit, run one after the other in its work folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from pipelines.audit.adapted_steps import KeepAll, LearnCodebookFromList
from pipelines.audit.evaluation_digests import DigestEvaluation
from pipelines.audit.folder import write_audit_config
from pipelines.audit.listing import FindInShards, PlaceImages
from pipelines.audit.planting import PlantCanaries, read_planted
from pipelines.audit.scanning import ScanImages
from pipelines.audit.settings import AuditConfig
from pipelines.audit.training_list import read_training_list
from pipelines.interruption import heeding_ctrl_c
from pipelines.job import StepResult, run_step
from pipelines.run_folder import locked
from pipelines.runners import open_engine
from pipelines.settings import EvaluationSetSettings, OverlapStageSettings, SourceSettings
from pipelines.stages.describe import Describe
from pipelines.stages.digest_queries import DigestQueries
from pipelines.stages.embed import Embed
from pipelines.stages.embed_network import EmbedByNetwork
from pipelines.stages.overlap import Overlap
from pipelines.units import Stage


def run_audit_steps(
    config: AuditConfig, work_dir: Path, console: Console, beam_args: Sequence[str] = ()
) -> list[StepResult]:
    """Run what is not done yet; stop after the first step with a failed unit.

    Raises:
        manifests.input_error.InputError: the list, the photographs or an evaluation set cannot be
            used.
        pipelines.run_folder.RunFolderError: another process is at work in the folder.
    """
    # Workers may have another current folder.
    work_dir = work_dir.absolute()
    read_training_list.cache_clear()
    results: list[StepResult] = []
    with (
        heeding_ctrl_c() as heed_ctrl_c,
        locked(work_dir),
        open_engine(config.runner, beam_args) as engine,
    ):
        write_audit_config(work_dir, config)
        for stage in build_audit_steps(config, work_dir):
            results.append(run_step(stage, work_dir, console, engine))
            heed_ctrl_c()
            if results[-1].failures:
                break
    return results


def build_audit_steps(config: AuditConfig, work_dir: Path) -> Iterator[Stage]:
    """Every step, in order; the last ones are made when what they depend on has been planted."""
    timeout = config.runner.unit_timeout_seconds
    item_timeout = config.item_timeout_seconds
    evaluation_sets = _strip_names(config)
    yield FindInShards(work_dir, config.train, config.photos, timeout)
    yield PlaceImages(work_dir, config.train, config.photos, timeout)
    yield PlantCanaries(work_dir, evaluation_sets, config.canaries, item_timeout, timeout)
    yield ScanImages(work_dir, config.photos, item_timeout, timeout)
    yield from _build_descriptions(config, work_dir)
    yield KeepAll(work_dir, timeout)
    yield DigestQueries(work_dir, evaluation_sets, config.overlap.queries_per_unit, timeout)
    yield DigestEvaluation(work_dir, evaluation_sets, timeout)
    # What is planted must not take the place of what is listed among a query's neighbours.
    top_k = config.overlap.top_k + len(read_planted(work_dir))
    settings = config.overlap.model_dump() | {"top_k": top_k, "describe": None}
    yield Overlap(
        work_dir,
        evaluation_sets,
        OverlapStageSettings.model_validate(settings),
        config.verify,
        config.describe,
        config.embed,
        timeout,
    )


def _build_descriptions(config: AuditConfig, work_dir: Path) -> Iterator[Stage]:
    timeout = config.runner.unit_timeout_seconds
    item_timeout = config.item_timeout_seconds
    source = SourceSettings(root=config.photos)
    yield Describe(work_dir, source, config.describe, item_timeout, timeout)
    # Without a unit for a network, which is not learned; it forgets the codebook of before.
    yield LearnCodebookFromList(work_dir, config.embed, timeout)
    network = config.embed.used_network
    if network is None:
        yield Embed(work_dir, timeout)
        return
    workers = config.runner.num_workers
    yield EmbedByNetwork(work_dir, source, network, workers, item_timeout, timeout)


def _strip_names(config: AuditConfig) -> tuple[EvaluationSetSettings, ...]:
    """The evaluation sets without the names to look for: a name is no evidence of overlap."""
    empty = {"text_terms": (), "landmark_names": ()}
    return tuple(s.model_copy(update=empty) for s in config.evaluation_sets)
