"""Job services of Beam's portable runners, and any other runner of Beam by its own options."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.engines.engine import EngineError, build_remote_pipeline, run_to_end
from pipelines.engines.settings import PortableSettings
from pipelines.units import Stage, Unit

_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class BeamRunner:
    """Runs units by a runner of Beam that is told by options all it needs to know.

    Attributes:
        description: see `pipelines.engines.engine.Engine`.
        beam_args: all options of Beam.
    """

    description: str
    beam_args: tuple[str, ...]

    def run(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> str | None:
        """See `pipelines.engines.engine.Engine`."""
        pipeline = build_remote_pipeline(stage, units, run_dir, self.beam_args)
        try:
            run_to_end(pipeline)
        except Exception as error:  # noqa: BLE001  (each runner has its own; the reports name it)
            return f"{type(error).__name__}: {error}"
        return None


def open_portable(settings: PortableSettings, beam_args: Sequence[str]) -> BeamRunner:
    """The engine behind a job service.

    Raises:
        EngineError: a setting is missing, or nobody answers at the address.
    """
    args = portable_args(settings)
    host, _, port = str(settings.job_endpoint).partition(":")
    try:
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()
    except OSError as error:
        raise EngineError(
            f"runner.portable.job_endpoint: nobody answers at {settings.job_endpoint} ({error}); "
            "start the job service first, see docs/running.md"
        ) from error
    return BeamRunner(f"portable (job service {settings.job_endpoint})", (*args, *beam_args))


def portable_args(settings: PortableSettings) -> list[str]:
    """The options of Beam for a job service.

    Raises:
        EngineError: a setting is missing.
    """
    if settings.job_endpoint is None:
        raise EngineError("runner.engine portable needs runner.portable.job_endpoint: HOST:PORT")
    args = [
        "--runner=PortableRunner",
        f"--job_endpoint={settings.job_endpoint}",
        f"--environment_type={settings.environment_type}",
    ]
    if settings.environment_config is not None:
        args.append(f"--environment_config={settings.environment_config}")
    elif settings.environment_type != "LOOPBACK":
        raise EngineError(
            f"runner.portable.environment_type {settings.environment_type} needs "
            "runner.portable.environment_config"
        )
    return args
