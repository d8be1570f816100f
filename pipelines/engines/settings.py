"""Settings of the engines other than the workstation. None of them changes the result."""

from typing import Literal

from pydantic import Field, model_validator

from manifests.strict_model import StrictModel

_BUCKET_URL = r"^gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/.*)?$"

EngineName = Literal["workstation", "dask", "portable", "dataflow"]


class DaskSettings(StrictModel):
    """A Dask cluster; see docs/running.md."""

    scheduler: str | None = Field(None, pattern=r"^(tcp|tls|ws|wss|ucx)://.+$")
    """Address of the scheduler, such as `tcp://10.0.0.5:8786`. Left out: a cluster of
    `runner.workers` processes on this machine, reachable from this machine only."""


class PortableSettings(StrictModel):
    """A job service of Beam's portable runners, such as those of Flink and Spark."""

    job_endpoint: str | None = Field(None, pattern=r"^[^:/\s]+:\d+$")
    """HOST:PORT of the job service."""
    environment_type: Literal["EXTERNAL", "DOCKER", "PROCESS", "LOOPBACK"] = "EXTERNAL"
    """Who starts the Python workers. `EXTERNAL`: a worker pool that runs already. `DOCKER`: the
    engine, from an image. `PROCESS`: the engine, by a command. `LOOPBACK`: this process."""
    environment_config: str | None = None
    """`EXTERNAL`: HOST:PORT of the pool. `DOCKER`: the image. `PROCESS`: the command, as JSON."""


class GpuSettings(StrictModel):
    """A GPU for the steps that use one; the others run without."""

    accelerator: str = Field("nvidia-l4", pattern=r"^[a-z0-9-]+$")
    """Its type, as Google Cloud calls it."""
    machine_type: str = "g2-standard-8"
    """Machine of the steps with a GPU; an L4 comes with G2 machines only."""
    min_ram_gb: int = Field(24, ge=1)
    """Memory that such a machine must have."""
    disk_size_gb: int = Field(100, ge=30)
    """Boot disk of such a machine; its container holds CUDA."""
    max_workers: int = Field(2, ge=1)
    """Machines with a GPU at the same time."""

    @property
    def hint(self) -> str:
        """The resource hint for one such GPU, with its driver."""
        return f"type:{self.accelerator};count:1;install-nvidia-driver"


class DataflowSettings(StrictModel):
    """Google Cloud Dataflow; the four names without a default must be given to use it."""

    project: str | None = None
    """Project that pays."""
    region: str | None = None
    """Where the machines are; that of the bucket, because traffic between regions costs."""
    temp_location: str | None = Field(
        None, pattern=r"^gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/.*)?$"
    )
    """Where Dataflow keeps what it needs while it runs, such as `gs://BUCKET/tmp`."""
    staging_location: str | None = Field(None, pattern=_BUCKET_URL)
    """Where the job itself is put; beside `temp_location` when left out."""
    container_image: str | None = None
    """Image of the workers, made from container/Dockerfile."""
    machine_type: str = "n2-standard-8"
    """Machine of the steps without a GPU."""
    disk_size_gb: int = Field(50, ge=30)
    """Boot disk of such a machine. Shards and run folder are mounted, not copied."""
    max_workers: int = Field(8, ge=1)
    """Machines at the same time, at most. Dataflow starts with one and adds as units wait."""
    flexrs: bool = False
    """Cheaper machines that may be taken away, for steps without a GPU. Each step may wait up to
    six hours for its start."""
    public_ips: bool = False
    """Give the machines public addresses, which cost extra. Without them the subnetwork needs
    Private Google Access."""
    subnetwork: str | None = None
    """Subnetwork of the machines, such as `regions/REGION/subnetworks/NAME`; the default one when
    left out."""
    service_account: str | None = None
    """Account that the machines act as; it needs to read the shards and write the run folder."""
    service_options: tuple[str, ...] = ()
    """Further service options of Dataflow, such as `enable_prime`."""
    gpu: GpuSettings | None = None
    """For `embed.method: network`; on CPUs when left out."""

    @model_validator(mode="after")
    def _check_service_options(self) -> "DataflowSettings":
        if any(option.startswith("worker_accelerator") for option in self.service_options):
            raise ValueError(
                "service_options worker_accelerator gives a GPU to every step; set "
                "runner.dataflow.gpu, which gives one to the steps that use it"
            )
        return self
