from pathlib import Path

import pytest

from pipelines.engines.buckets import mounted
from pipelines.run_config import load_config

ROOT = Path("/mnt/buckets")
JOB = """
source: {root: gs://photos/gldv2}
evaluation_sets:
  - {name: paris, images: "{source.root}/paris", ground_truth: gs://photos/gnd.pkl}
  - {name: local, images: eval, format: folder}
"""


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gs://photos/gldv2", "/mnt/buckets/photos/gldv2"),
        (str(Path("gs://photos/gldv2")), "/mnt/buckets/photos/gldv2"),
        ("gs://photos", "/mnt/buckets/photos"),
        ("/data/gldv2", "/data/gldv2"),
        ("runs/gs", "runs/gs"),
        ("gs:data", "gs:data"),
    ],
)
def test_a_bucket_is_a_folder_of_its_name(name, path):
    assert mounted(name, ROOT) == Path(path)


def _load(tmp_path, *overrides):
    (tmp_path / "job.yaml").write_text(JOB)
    return load_config(tmp_path / "job.yaml", overrides)


def test_names_in_the_configuration_become_paths_below_the_mount(tmp_path):
    config = _load(tmp_path)
    assert config.source.root == Path("/gcs/photos/gldv2")
    paris, local = config.evaluation_sets
    assert paris.images == Path("/gcs/photos/gldv2/paris")
    assert paris.ground_truth == Path("/gcs/photos/gnd.pkl")
    assert local.images == tmp_path / "eval"


def test_an_override_may_name_a_bucket_and_move_the_mount(tmp_path):
    config = _load(tmp_path, "runner.mount_root=/mnt/buckets", "source.root=gs://other")
    assert config.source.root == Path("/mnt/buckets/other")
    assert config.evaluation_sets[0].images == Path("/mnt/buckets/other/paris")
    assert config.digest == _load(tmp_path).digest
