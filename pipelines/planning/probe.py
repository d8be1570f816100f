"""The probe: a seeded sample of the real work, done by the real stages in a process of its own."""

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.fetching.ledger import LEDGER_NAME
from pipelines.fork_server import start_fork_server
from pipelines.planning.errors import PlanningError
from pipelines.planning.inventory import Inventory
from pipelines.planning.probe_data import ProbeLists, write_probe_data
from pipelines.planning.probe_jobs import (
    JobFindings,
    ProbeJob,
    ThinnedClass,
    run_probe_job,
    shrink_config,
)
from pipelines.planning.sampling import (
    SampledClass,
    count_wanted,
    sample_classes,
    sample_images,
    weigh_strata,
)
from pipelines.planning.steps import DESCRIBE, EMBED, SCAN, VERIFY
from pipelines.run_config import RunConfig

_TINY_CLASSES, _TINY_CLASS_IMAGES = 6, 5
_FEWEST_IMAGES = 20
_PAIRS_PER_IMAGE = 50
"""About as many as a sampled image is verified in, to foresee how long the probe takes."""
_CRASHED = (
    "the process that measured the probe was killed: a photograph that crashes the decoder, or too "
    "little memory. The job itself survives such a photograph; plan with --no-probe or --rates, or "
    "set another plan.probe.seed"
)


@dataclass(frozen=True, eq=False)
class ProbeFindings:
    """What the probe took.

    Attributes:
        tiny: of the job that does hardly anything.
        images: of the job on images drawn evenly.
        classes: of the job on whole and thinned classes.
        sampled: these classes.
        num_images: images of the second job.
        num_class_images: images of the third job.
        seconds: duration of all.
        wanted_images: images that the settings ask for, if time allows.
        is_cut: whether it did not allow.
    """

    tiny: JobFindings
    images: JobFindings
    classes: JobFindings
    sampled: Sequence[SampledClass]
    num_images: int
    num_class_images: int
    seconds: float
    wanted_images: int
    is_cut: bool

    @property
    def failures(self) -> dict[str, str]:
        """Steps that failed on the samples, and why."""
        return {**self.images.failures, **self.classes.failures}


def run_probe(config: RunConfig, inventory: Inventory) -> ProbeFindings:
    """Measure a sample of the images that are here.

    Raises:
        PlanningError: no usable image is here, or the probe was killed.
    """
    if len(inventory.located) == 0:
        raise PlanningError(
            f"{config.source.root / config.source.split}: no shard with a listed image, so that "
            "nothing can be measured; plan with --no-probe, or with --rates PLAN.json of a plan "
            "that was made where photographs are"
        )
    start_fork_server()
    context = multiprocessing.get_context("forkserver")
    with (
        tempfile.TemporaryDirectory(prefix="cleanmark-plan-") as folder,
        ProcessPoolExecutor(1, mp_context=context) as pool,
    ):
        try:
            return _Probe(config, inventory, Path(folder), pool).run()
        except BrokenProcessPool as error:
            raise PlanningError(_CRASHED) from error


@dataclass(frozen=True, eq=False)
class _Probe:
    config: RunConfig
    inventory: Inventory
    folder: Path
    pool: Executor

    def run(self) -> ProbeFindings:
        settings, located = self.config.plan.probe, self.inventory.located
        begun = time.perf_counter()
        wanted = count_wanted(self.inventory.num_files, settings)
        drawn = sample_images(located, wanted, settings.seed)
        sampled = self._sample_classes(wanted)
        lists = self._read_lists([*drawn, *(p for c in sampled for p in c.positions)])
        small = [p for c in sampled[:_TINY_CLASSES] for p in c.positions[:_TINY_CLASS_IMAGES]]
        small = small or drawn[:_TINY_CLASS_IMAGES]
        self._run("warm-up", small, lists)
        tiny = self._run("tiny", small, lists)
        num_images, num_class_images = self._limit(tiny, wanted)
        sampled = sampled if num_class_images == wanted else self._sample_classes(num_class_images)
        images = self._run("images", drawn[:num_images], lists, last_step=EMBED)
        positions = [p for c in sampled for p in c.positions]
        classes = self._run("classes", positions or small, lists, sampled=sampled)
        return ProbeFindings(
            tiny=tiny,
            images=images,
            classes=classes,
            sampled=sampled,
            num_images=min(num_images, len(drawn)),
            num_class_images=len(positions),
            seconds=time.perf_counter() - begun,
            wanted_images=wanted,
            is_cut=min(num_images, num_class_images) < wanted,
        )

    def _sample_classes(self, max_images: int) -> list[SampledClass]:
        return sample_classes(
            self.inventory.located,
            find_class_sizes(self.inventory),
            weigh_strata(
                self.inventory.class_sizes * self.inventory.present_share,
                self.config.verify.num_neighbours,
                self.config.plan.rates.mutual_neighbours,
            ),
            max_images,
            self.config.plan.probe,
        )

    def _read_lists(self, positions: Sequence[int]) -> ProbeLists:
        metadata = self.config.source.root / "metadata"
        return ProbeLists(metadata, [self.inventory.located.image_ids[p] for p in positions])

    def _run(
        self,
        name: str,
        positions: Sequence[int],
        lists: ProbeLists,
        *,
        sampled: Sequence[SampledClass] = (),
        last_step: str | None = None,
    ) -> JobFindings:
        source, root = self.config.source, self.folder / name
        write_probe_data(root, source.split, self.inventory.located, positions, lists)
        # The job will not hash what its own fetch has checked.
        is_hashed = source.check_md5 and not (source.root / LEDGER_NAME).is_file()
        k = self.config.verify.num_neighbours
        job = ProbeJob(
            config=shrink_config(self.config, root, check_md5=is_hashed),
            run_dir=root / "run",
            last_step=last_step,
            classes=[ThinnedClass(c.landmark_id, c.thin_neighbours(k)) for c in sampled],
            max_queries=self.config.plan.probe.max_queries,
        )
        return self.pool.submit(run_probe_job, job).result()

    def _limit(self, tiny: JobFindings, wanted: int) -> tuple[int, int]:
        """How many images to take of each kind, so that the probe keeps to its time."""
        num_files = tiny.steps[SCAN].counts.get("files", 0) if SCAN in tiny.steps else 0
        steps = [tiny.steps[name] for name in (SCAN, DESCRIBE, EMBED) if name in tiny.steps]
        per_image = sum(step.cpu_seconds for step in steps) / max(1, num_files)
        verify = tiny.steps.get(VERIFY)
        num_pairs = verify.counts.get("pairs", 0) if verify else 0
        per_pair = verify.cpu_seconds / num_pairs if verify and num_pairs else 0.0
        budget = self.config.plan.probe.max_seconds / 2
        return (
            count_affordable(wanted, budget, per_image),
            count_affordable(wanted, budget, per_image + _PAIRS_PER_IMAGE * per_pair),
        )


def find_class_sizes(inventory: Inventory) -> dict[int, int]:
    """landmark_id -> images that the job will find, about, of the classes with an image at hand."""
    ids, here = np.unique(inventory.located.landmark_ids, return_counts=True)
    return {
        landmark_id: max(
            count, round(inventory.listed_sizes[landmark_id] * inventory.present_share)
        )
        for landmark_id, count in zip(ids.tolist(), here.tolist(), strict=True)
    }


def count_affordable(wanted: int, budget_seconds: float, seconds_each: float) -> int:
    """How many of the items wanted fit into a time; a few in any case."""
    if seconds_each * wanted <= budget_seconds:
        return wanted
    return max(min(wanted, _FEWEST_IMAGES), int(budget_seconds / seconds_each))
