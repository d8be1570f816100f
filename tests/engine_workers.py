"""The worker's side of an engine, without the engine; importable by processes that are spawned."""

from pipelines.engines.shared_folder import write_token
from pipelines.engines.worker import RunOnWorker


def run_on_worker(stage, token=None):
    """What an engine does with a function: all reports, one by one."""
    function = RunOnWorker(stage, stage.run_dir, token or write_token(stage.run_dir))
    function.setup()
    try:
        return [report for unit in stage.plan() for report in function.process(unit)]
    finally:
        function.teardown()
