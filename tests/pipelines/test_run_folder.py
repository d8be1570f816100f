import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from pipelines_helpers import ToyStage

from pipelines.run_config import RunConfig
from pipelines.run_folder import RunFolderError, locked, read_config, table_parts, write_config
from pipelines.run_unit import run_unit

_HOLD_THE_LOCK = """
import sys
from pathlib import Path
from pipelines.run_folder import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def _lock_elsewhere(run_dir):
    """Another process that holds the lock of the folder until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD_THE_LOCK, str(run_dir)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    return process


def _config(**sections):
    return RunConfig.model_validate({"source": {"root": "/data"}} | sections)


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    with _lock_elsewhere(tmp_path) as first:
        with pytest.raises(RunFolderError, match="another cleanmark process"), locked(tmp_path):
            pass
        first.send_signal(signal.SIGKILL)
        first.communicate()
    with locked(tmp_path):
        pass


def test_the_lock_is_released_when_the_block_ends_or_fails(tmp_path):
    with locked(tmp_path):
        pass
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_folders_are_locked_one_by_one(tmp_path):
    with locked(tmp_path / "a"), locked(tmp_path / "b"):
        assert (tmp_path / "a").is_dir()


@pytest.mark.parametrize("name", ["taken", "taken/run"])
def test_a_file_cannot_be_a_run_folder(tmp_path, name):
    (tmp_path / "taken").touch()
    with pytest.raises(RunFolderError, match=f"{name}: not a folder"), locked(tmp_path / name):
        pass


def test_the_configuration_of_a_run_can_be_read_back(tmp_path):
    config = _config(clean={"min_verified_neighbours": 7}, runner={"workers": 3})
    write_config(tmp_path, config)
    assert read_config(tmp_path) == config


def test_the_last_configuration_is_the_one_recorded(tmp_path):
    write_config(tmp_path, _config())
    write_config(tmp_path, _config(emit={"policy": "strict"}))
    assert read_config(tmp_path).emit.policy == "strict"


def test_versions_and_digest_are_recorded_beside_the_configuration(tmp_path):
    config = _config()
    write_config(tmp_path, config)
    recorded = yaml.safe_load((tmp_path / "versions.yaml").read_text())
    assert recorded["config_digest"] == config.digest
    assert recorded["libraries"]["pyarrow"] == version("pyarrow")
    assert recorded["cleanmark"] == version("cleanmark")


def test_a_folder_without_a_configuration_is_no_run_folder(tmp_path):
    with pytest.raises(RunFolderError, match=r"no run folder .*cleanmark run CONFIG\.yaml --out"):
        read_config(tmp_path)
    with pytest.raises(RunFolderError, match="no run folder"):
        read_config(tmp_path / "nowhere")


def test_a_configuration_of_another_version_is_refused_in_one_line(tmp_path):
    write_config(tmp_path, _config())
    path = tmp_path / "run.yaml"
    path.write_text(path.read_text() + "sorcery:\n  level: 3\n")
    with pytest.raises(RunFolderError) as caught:
        read_config(tmp_path)
    complaint = str(caught.value)
    assert complaint.startswith(f"{path}: sorcery: there is no such setting")
    assert complaint.endswith("(written by another version?)")
    assert "\n" not in complaint


class _Parquetish(ToyStage):
    """Names its outputs as if they were tables."""

    def unit(self, unit_id):
        names = (f"toys/{unit_id}.parquet", f"toys/{unit_id}.bin")
        return replace(super().unit(unit_id), outputs=names)

    def run(self, unit, in_flight):
        for output in unit.outputs:
            path = self.run_dir / output
            path.parent.mkdir(exist_ok=True)
            path.touch()
        return {}


def test_the_parts_of_a_table_are_those_of_finished_units_in_order(tmp_path):
    stage = _Parquetish(tmp_path)
    for unit_id in ("u02", "u00"):
        run_unit(stage, tmp_path, stage.unit(unit_id))
    (tmp_path / "toys/u01.parquet").touch()
    names = [path.relative_to(tmp_path) for path in table_parts(tmp_path, "toy")]
    assert names == [Path("toys/u00.parquet"), Path("toys/u02.parquet")]


def test_a_stage_that_never_finished_a_unit_has_no_table(tmp_path):
    with pytest.raises(RunFolderError, match=f"{tmp_path}: nothing finished in stage 'toy'"):
        table_parts(tmp_path, "toy")
    stage = ToyStage(tmp_path, {"u00": "raise"}, num_units=1)
    run_unit(stage, tmp_path, stage.unit("u00"))
    with pytest.raises(RunFolderError, match="run the whole job once"):
        table_parts(tmp_path, "toy")
