"""The jobs that Dataflow would get, built without the cloud. No job was ever submitted."""

import socket

import pytest
from pipelines_helpers import ToyStage
from small_networks import INFERENCE, write_checkpoint
from tiny_run import tiny_config

from pipelines.engines.dataflow import open_dataflow
from pipelines.engines.engine import EngineError
from pipelines.engines.settings import DataflowSettings
from pipelines.job import build_steps
from pipelines.units import GpuStage

dataflow_graph = pytest.importorskip(
    "dataflow_graph", reason="the optional extra `gcp` is not installed", exc_type=ImportError
)

PLACE = {
    "project": "landmarks-1",
    "region": "europe-west4",
    "temp_location": "gs://some-bucket/tmp",
    "container_image": "europe-west4-docker.pkg.dev/landmarks-1/cleanmark/worker:1",
}
L4 = "type:nvidia-l4;count:1;install-nvidia-driver"
MAX_PIPELINE_BYTES = 1_000_000


class GpuToyStage(ToyStage):
    wants_gpu = True


def _build(stage, run_dir, beam_args=(), **settings):
    settings = DataflowSettings.model_validate(PLACE | settings)
    engine = open_dataflow(settings, run_dir.parent, beam_args)
    return dataflow_graph.build_job(engine, stage, run_dir)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The job of a step without a GPU, with settings left alone."""
    run_dir = tmp_path_factory.mktemp("plain") / "run"
    return _build(ToyStage(run_dir, name="ingest.scan"), run_dir)


def test_the_steps_are_the_units_dealt_out_and_run(plain):
    top = {name: urn for name, urn in plain.urns.items() if name.count("/") == 1}
    assert top == {
        "ingest.scan/Units": "beam:transform:pickled_python:v1",
        "ingest.scan/Spread": "beam:transform:reshuffle:v1",
        "ingest.scan/Run": "beam:transform:pardo:v1",
    }


def test_the_workers_are_of_the_image_and_the_machines_of_the_settings(plain):
    pool = plain.pool
    images = {image["containerImage"] for image in pool["sdkHarnessContainerImages"]}
    assert images == {PLACE["container_image"]}
    assert pool["machineType"] == "n2-standard-8"
    assert pool["diskSizeGb"] == 50
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 8
    assert pool["ipConfiguration"] == "WORKER_IP_PRIVATE"
    assert pool["numThreadsPerWorker"] == 1
    assert plain.options["sdk_location"] == "container"
    assert plain.options["save_main_session"] is False
    assert plain.request["type"] == "JOB_TYPE_BATCH"
    assert plain.request["name"] == "cleanmark-ingest-scan"


def test_without_a_gpu_there_is_no_hint_and_every_core_has_a_process(plain):
    assert not any(plain.hints.values())
    experiments = plain.request["environment"]["experiments"]
    assert "no_use_multiple_sdk_containers" not in experiments
    assert "use_runner_v2" in experiments


@pytest.mark.parametrize("stage_class", [ToyStage, GpuToyStage])
def test_a_gpu_needs_a_step_that_wants_it_and_a_setting_that_grants_it(tmp_path, stage_class):
    job = _build(stage_class(tmp_path / "run"), tmp_path / "run")
    assert not any(job.hints.values())


def test_only_embedding_by_a_network_gets_a_gpu(own_run, tiny_root, tmp_path):
    network = {"checkpoint": write_checkpoint(tmp_path / "n.pth"), "inference": INFERENCE}
    config = tiny_config(tiny_root, embed={"method": "network", "network": network})
    steps = {step.name: step for step in build_steps(config, own_run.run_dir)}
    assert [name for name, step in steps.items() if isinstance(step, GpuStage)] == ["embed"]
    for name in ("describe", "embed", "verify"):
        job = _build(steps[name], own_run.run_dir, gpu={})
        is_embed = name == "embed"
        hints = (
            {dataflow_graph.ACCELERATOR: L4, dataflow_graph.MIN_RAM: "24000000000"}
            if is_embed
            else {}
        )
        assert job.hints[f"{name}/Run"] == hints
        assert not any(hints for step, hints in job.hints.items() if step != f"{name}/Run")
        experiments = job.request["environment"]["experiments"]
        assert ("no_use_multiple_sdk_containers" in experiments) == is_embed
        assert job.pool["machineType"] == ("g2-standard-8" if is_embed else "n2-standard-8")
        assert job.pool["autoscalingSettings"]["maxNumWorkers"] == (2 if is_embed else 8)
        assert "worker_accelerator" not in str(job.request)
        assert len(job.staged["pipeline.pb"]) < MAX_PIPELINE_BYTES


def test_savings_and_options_of_the_service_arrive(tmp_path):
    job = _build(
        GpuToyStage(tmp_path / "run"),
        tmp_path / "run",
        ["--labels=team=retrieval"],
        flexrs=True,
        public_ips=True,
        staging_location="gs://other-bucket/staged",
        service_options=["enable_prime"],
        service_account="worker@landmarks-1.iam.gserviceaccount.com",
        subnetwork="regions/europe-west4/subnetworks/batch",
    )
    environment = job.request["environment"]
    assert environment["flexResourceSchedulingGoal"] == "FLEXRS_COST_OPTIMIZED"
    assert environment["serviceOptions"] == ["enable_prime"]
    assert environment["serviceAccountEmail"].startswith("worker@")
    assert job.pool["subnetwork"] == "regions/europe-west4/subnetworks/batch"
    assert "ipConfiguration" not in job.pool
    assert job.options["staging_location"].startswith("gs://other-bucket/staged/")
    assert job.request["labels"] == {"team": "retrieval"}


def test_there_is_no_flexrs_beside_a_hint(tmp_path):
    job = _build(GpuToyStage(tmp_path / "run"), tmp_path / "run", flexrs=True, gpu={})
    assert "flexResourceSchedulingGoal" not in job.request["environment"]


def test_a_run_folder_that_no_worker_sees_is_refused(tmp_path):
    engine = open_dataflow(DataflowSettings.model_validate(PLACE), tmp_path / "gcs", ())
    stage = ToyStage(tmp_path / "run")
    with pytest.raises(EngineError, match=r"workers of Dataflow do not see it.*gs://BUCKET/PATH"):
        engine.run(stage, stage.plan(), stage.run_dir)


def test_what_is_missing_is_named():
    settings = DataflowSettings.model_validate(PLACE | {"region": None, "container_image": None})
    with pytest.raises(EngineError, match=r"dataflow\.region, runner\.dataflow\.container_image"):
        open_dataflow(settings, settings, ())


def test_a_gpu_for_every_step_is_refused():
    with pytest.raises(ValueError, match="gives a GPU to every step"):
        DataflowSettings(service_options=["worker_accelerator=type:nvidia-l4;count:1"])


def test_the_helper_does_refuse_connections():
    with dataflow_graph.no_connections(), pytest.raises(dataflow_graph.ConnectionAttemptError):
        socket.create_connection(("127.0.0.1", 9))
