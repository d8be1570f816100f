"""The worker image: that it fits what runs here, and that its entry point mounts and goes on.

The image itself is not built here: that needs a Docker daemon and the network.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENTRY = ROOT / "container" / "mount_and_boot.sh"
DOCKERFILE = (ROOT / "container" / "Dockerfile").read_text()


def test_python_and_beam_of_the_image_are_those_of_this_environment():
    (base,) = re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    beam = importlib.metadata.version("apache-beam")
    assert base == f"apache/beam_python{python}_sdk:{beam}"


def test_everything_copied_is_there_and_let_through():
    copied = {
        name
        for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    ignore_file = (ROOT / "container" / "Dockerfile.dockerignore").read_text()
    let_through = set(re.findall(r"^!(\S+)$", ignore_file, re.MULTILINE))
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)


def _write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def enter(tmp_path):
    """Runs the entry point beside programs that write down how they are called."""
    log = tmp_path / "log"
    for name in ("bin/gcsfuse", "bin/cleanmark", "boot"):
        _write_program(tmp_path / name, f'echo "{Path(name).name} $*" >> {log}')

    def run(*arguments):
        environment = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "CLEANMARK_MOUNT_ROOT": str(tmp_path / "gcs"),
            "CLEANMARK_BOOT": str(tmp_path / "boot"),
        }
        result = subprocess.run([ENTRY, *arguments], env=environment, check=False)
        return result.returncode, log.read_text().splitlines() if log.exists() else []

    return run


def test_a_worker_mounts_all_buckets_and_boots(enter, tmp_path):
    status, (mount, boot) = enter("--id=1", "--control_endpoint=a b")
    assert status == 0
    assert mount.startswith("gcsfuse ")
    assert mount.endswith(f" {tmp_path / 'gcs'}")
    assert boot == "boot --id=1 --control_endpoint=a b"


def test_a_command_of_ours_is_run_in_its_place(enter):
    assert enter("cleanmark", "run", "job.yaml")[1][-1] == "cleanmark run job.yaml"


def test_without_buckets_nothing_starts(enter, tmp_path):
    _write_program(tmp_path / "bin" / "gcsfuse", "exit 7")
    assert enter("--id=1") == (7, [])
