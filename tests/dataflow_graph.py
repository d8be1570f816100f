"""What would be sent to Dataflow, made on this machine with every connection refused.

`apiclient` is internal to Beam; nothing else in the project touches it.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.dataflow.internal import apiclient

from pipelines.engines.dataflow import Dataflow
from pipelines.units import Stage

ACCELERATOR = "beam:resources:accelerator:v1"
MIN_RAM = "beam:resources:min_ram_bytes:v1"
OFFLINE = ("--dry_run=True", "--no_auth")


class ConnectionAttemptError(AssertionError):
    """The code under test has tried to reach somebody."""


@dataclass(frozen=True)
class DataflowJob:
    """A job as the service would get it.

    Attributes:
        request: the request to the service, as JSON.
        staged: content of the files that would be put beside it, by name.
        hints: resource hints of each primitive step, by its full name.
        urns: kind of each step, by its full name.
    """

    request: dict[str, Any]
    staged: dict[str, bytes]
    hints: dict[str, dict[str, str]]
    urns: dict[str, str]

    @property
    def pool(self) -> dict[str, Any]:
        return self.request["environment"]["workerPools"][0]

    @property
    def options(self) -> dict[str, Any]:
        return self.request["environment"]["sdkPipelineOptions"]["options"]


class _Client(apiclient.DataflowApplicationClient):
    """Keeps what it is told to stage, and submits nothing."""

    def __init__(self, options: Any, root_staging_location: str) -> None:
        super().__init__(options, root_staging_location)
        self.staged: dict[str, bytes] = {}

    def stage_file(self, folder: str, file_name: str, stream: Any, *_: Any, **__: Any) -> None:
        self.staged[file_name] = stream.read()

    def submit_job_description(self, job: Any) -> None:
        raise AssertionError("a test has submitted a job")


def build_job(engine: Dataflow, stage: Stage, run_dir: Any) -> DataflowJob:
    """Build the job of one step, without a connection to anybody."""
    engine = Dataflow(engine.settings, engine.mount_root, (*engine.beam_args, *OFFLINE))
    with no_connections():
        pipeline = engine.build(stage, stage.plan(), run_dir)
        result = pipeline.run()
        options = result.job.options
        client = _Client(options, options.view_as(GoogleCloudOptions).staging_location)
        client.create_job_description(result.job)
    components = result.job.proto_pipeline.components
    hints, urns = {}, {}
    for transform in components.transforms.values():
        environment = components.environments[transform.environment_id]
        hints[transform.unique_name] = {
            name: value.decode() for name, value in environment.resource_hints.items()
        }
        urns[transform.unique_name] = transform.spec.urn
    return DataflowJob(json.loads(result.job.json()), client.staged, hints, urns)


@contextmanager
def no_connections() -> Iterator[None]:
    """Refuse every connection that leaves the machine, and every name to look up."""

    def refuse(*arguments: Any, **_: Any) -> None:
        raise ConnectionAttemptError(f"connection attempted: {arguments[1:]}")

    with (
        patch.object(socket.socket, "connect", refuse),
        patch.object(socket.socket, "connect_ex", refuse),
        patch.object(socket, "getaddrinfo", refuse),
    ):
        yield
