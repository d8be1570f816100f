"""Google Cloud Dataflow: each step is a job of its own, with the machines that it needs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.engines.engine import EngineError, build_remote_pipeline, quiet_beam, run_to_end
from pipelines.engines.settings import DataflowSettings, GpuSettings
from pipelines.units import GpuStage, Stage, Unit

_REQUIRED = ("project", "region", "temp_location", "container_image")


@dataclass(frozen=True)
class Dataflow:
    """Runs units on machines that Dataflow starts and ends.

    Attributes:
        settings: which machines, and where.
        mount_root: the folder below which all machines see the buckets.
        beam_args: further options of Beam.
    """

    settings: DataflowSettings
    mount_root: Path
    beam_args: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """See `pipelines.engines.engine.Engine`."""
        settings = self.settings
        return f"Dataflow ({settings.project}, {settings.region}, up to {settings.max_workers})"

    def run(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> str | None:
        """See `pipelines.engines.engine.Engine`.

        Raises:
            EngineError: the workers would not see the run folder.
        """
        pipeline = self.build(stage, units, run_dir)
        with quiet_beam():
            from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException

        try:
            run_to_end(pipeline)
        except (RuntimeError, DataflowRuntimeException) as error:
            return f"{type(error).__name__}: {error}"
        return None

    def build(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> Any:  # noqa: ANN401
        """The pipeline of one step, not yet run.

        Raises:
            EngineError: the workers would not see the run folder.
        """
        if not run_dir.is_relative_to(self.mount_root):
            raise EngineError(
                f"{run_dir}: workers of Dataflow do not see it. Give a folder of a bucket, "
                "--out gs://BUCKET/PATH, or set runner.mount_root to where all machines mount it"
            )
        gpu = self._gpu_of(stage)
        args = [*dataflow_args(self.settings, stage.name, gpu), *self.beam_args]
        return build_remote_pipeline(stage, units, run_dir, args, _make_hints(gpu))

    def _gpu_of(self, stage: Stage) -> GpuSettings | None:
        return self.settings.gpu if isinstance(stage, GpuStage) and stage.wants_gpu else None


def open_dataflow(
    settings: DataflowSettings, mount_root: Path, beam_args: Sequence[str]
) -> Dataflow:
    """The engine, as far as it can be checked without the cloud.

    Raises:
        EngineError: a setting is missing, or the clients of Google Cloud are not installed.
    """
    missing = [name for name in _REQUIRED if getattr(settings, name) is None]
    if missing:
        names = ", ".join(f"runner.dataflow.{name}" for name in missing)
        raise EngineError(f"runner.engine dataflow needs {names}")
    try:
        with quiet_beam():
            import apache_beam.runners.dataflow.internal.apiclient  # noqa: F401
    except ImportError as error:
        raise EngineError(
            "runner.engine dataflow needs Google's clients, which are not installed; "
            "install the optional extra: pip install 'cleanmark[gcp]'"
        ) from error
    return Dataflow(settings, mount_root, tuple(beam_args))


def dataflow_args(settings: DataflowSettings, step: str, gpu: GpuSettings | None) -> list[str]:
    """The options of Beam for one step.

    Args:
        settings: which machines, and where.
        step: name of the step.
        gpu: for a step that gets one.
    """
    return [
        "--runner=DataflowRunner",
        f"--project={settings.project}",
        f"--region={settings.region}",
        f"--job_name={_job_name(step)}",
        f"--temp_location={settings.temp_location}",
        f"--staging_location={settings.staging_location or settings.temp_location}",
        f"--sdk_container_image={settings.container_image}",
        "--sdk_location=container",
        "--no_save_main_session",
        "--autoscaling_algorithm=THROUGHPUT_BASED",
        # A process runs one unit at a time; the unit's child process does the work.
        "--number_of_worker_harness_threads=1",
        *_machine_args(settings, gpu),
        *_network_args(settings),
        *(f"--dataflow_service_options={option}" for option in settings.service_options),
    ]


def _machine_args(settings: DataflowSettings, gpu: GpuSettings | None) -> list[str]:
    machines: DataflowSettings | GpuSettings = settings if gpu is None else gpu
    args = [
        f"--machine_type={machines.machine_type}",
        f"--disk_size_gb={machines.disk_size_gb}",
        f"--max_num_workers={machines.max_workers}",
    ]
    if gpu is not None:
        # One process per machine: it owns the GPU, and threads decode beside it.
        args.append("--experiments=no_use_multiple_sdk_containers")
    elif settings.flexrs:
        # Not together with resource hints.
        args.append("--flexrs_goal=COST_OPTIMIZED")
    return args


def _network_args(settings: DataflowSettings) -> list[str]:
    args = [] if settings.public_ips else ["--no_use_public_ips"]
    if settings.subnetwork is not None:
        args.append(f"--subnetwork={settings.subnetwork}")
    if settings.service_account is not None:
        args.append(f"--service_account_email={settings.service_account}")
    return args


def _make_hints(gpu: GpuSettings | None) -> Mapping[str, str]:
    if gpu is None:
        return {}
    return {"accelerator": gpu.hint, "min_ram": f"{gpu.min_ram_gb}GB"}


def _job_name(step: str) -> str:
    return "cleanmark-" + re.sub(r"[^a-z0-9]+", "-", step)
