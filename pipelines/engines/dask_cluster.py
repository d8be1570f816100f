"""A Dask cluster, by Beam's DaskRunner: the user's own, or one on this machine."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from manifests.lineage import CODE_VERSION
from pipelines.engines.engine import EngineError, build_remote_pipeline, quiet_beam
from pipelines.engines.settings import DaskSettings
from pipelines.units import Stage, Unit

_RUNNER = "apache_beam.runners.dask.dask_runner.DaskRunner"
_ALLOWED_FAILURES = 10
"""Workers that a task may lose. Dask counts the loss against every task that waited at the worker,
and `pipelines.attempts` gives up the guilty one long before."""


@dataclass(frozen=True)
class DaskCluster:
    """Runs units on the workers of a Dask scheduler, each unit as a task of its own.

    Attributes:
        scheduler: its address.
        description: see `pipelines.engines.engine.Engine`.
        beam_args: further options of Beam.
    """

    scheduler: str
    description: str
    beam_args: tuple[str, ...] = ()

    def run(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> str | None:
        """See `pipelines.engines.engine.Engine`.

        Raises:
            DaskShapeError: the DaskRunner would lose something of the pipeline.
        """
        with quiet_beam():
            from pipelines.engines.dask_guard import check_dask_pipeline

        # The default puts 128 units into one task.
        options = [
            f"--runner={_RUNNER}",
            f"--dask_client_address={self.scheduler}",
            "--dask_partition_size=1",
        ]
        pipeline = build_remote_pipeline(stage, units, run_dir, [*options, *self.beam_args])
        check_dask_pipeline(pipeline)
        result = pipeline.run()
        try:
            result.wait_until_finish()
        except Exception as error:  # noqa: BLE001  (of any kind: it was raised in a worker)
            return f"Dask gave up: {type(error).__name__}: {error}"
        finally:
            result.client.close()
        return None


@contextmanager
def open_dask(
    settings: DaskSettings, workers: int, beam_args: Sequence[str]
) -> Iterator[DaskCluster]:
    """Reach a cluster, or start one on this machine that ends with the block.

    Args:
        settings: where it is.
        workers: processes of a cluster on this machine.
        beam_args: further options of Beam.

    Raises:
        EngineError: Dask is not installed, nobody answers at the address, or the workers there
            cannot run this program.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise EngineError(
            "runner.engine dask needs Dask, which is not installed; "
            "install the optional extra: pip install 'cleanmark[dask]'"
        ) from error
    # It tells of every connection; what matters comes back as an exception.
    logging.getLogger("distributed").setLevel(logging.ERROR)
    if settings.scheduler is not None:
        num_workers = _check_workers(settings.scheduler)
        text = f"Dask at {settings.scheduler} (workers: {num_workers})"
        yield DaskCluster(settings.scheduler, text, tuple(beam_args))
    else:
        with _start_cluster(workers) as scheduler:
            text = f"Dask on this machine (workers: {workers})"
            yield DaskCluster(scheduler, text, tuple(beam_args))


@contextmanager
def _start_cluster(workers: int) -> Iterator[str]:
    import dask
    from distributed import LocalCluster

    config = {
        # Daemonic processes may have no children, and every unit runs in one.
        "distributed.worker.daemon": False,
        "distributed.scheduler.allowed-failures": _ALLOWED_FAILURES,
    }
    with (
        dask.config.set(config),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # A fixed port would clash with another cluster's.
            dashboard_address="127.0.0.1:0",
        ) as cluster,
    ):
        yield cluster.scheduler_address


def _check_workers(scheduler: str) -> int:
    """Count the workers of a cluster; a worker that cannot load a unit would wait for ever."""
    from distributed import Client

    try:
        with Client(scheduler) as client:
            found = client.run(find_code_version, on_error="return")
    except OSError as error:
        raise EngineError(f"runner.dask.scheduler: {scheduler}: {error}") from error
    for worker, version in found.items():
        if version != CODE_VERSION:
            raise EngineError(
                f"runner.dask.scheduler: worker {worker} has cleanmark {version}; here it is "
                f"{CODE_VERSION}. Install the same version on all machines"
            )
    return len(found)


def find_code_version() -> str:
    """The version of this program in the process that asks."""
    return CODE_VERSION
