"""Configurations written into files, and read back."""

import copy

import pytest
import yaml

from manifests.yaml_settings import ConfigError
from pipelines.run_config import load_config

FULL = {
    "source": {"root": "/data"},
    "evaluation_sets": [{"name": "mini", "images": "/eval/jpg", "ground_truth": "/eval/gnd.json"}],
    "duplicates": {"index": {"root": "/data/index"}},
    "clean": {"answers": "/data/answers.csv"},
    "overlap": {"class_aliases": "/data/names.csv"},
    "embed": {"method": "network", "network": {"checkpoint": "/data/network.pth"}},
    "truth": {"images": "/data/truth.csv", "overlap": "/data/overlap.csv"},
    "runner": {"dataflow": {"gpu": {}}},
}
PATHS = (
    "source.root",
    "evaluation_sets[].images",
    "evaluation_sets[].ground_truth",
    "duplicates.index.root",
    "clean.answers",
    "overlap.class_aliases",
    "embed.network.checkpoint",
    "truth.images",
    "truth.overlap",
)


def write_config(folder, content, name="job.yaml"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def load_job(tmp_path, content, *overrides):
    return load_config(write_config(tmp_path, content), overrides)


def complain(tmp_path, content, *overrides):
    with pytest.raises(ConfigError) as caught:
        load_job(tmp_path, content, *overrides)
    return str(caught.value)


def with_value(content, dotted, value):
    """A copy of `content` with one more value; `a[].b` is in the first item of the list `a`."""
    content = copy.deepcopy(content)
    section = content
    *parents, last = dotted.split(".")
    for part in parents:
        name = part.removesuffix("[]")
        section = section.setdefault(name, {})
        section = section[0] if part != name else section
    section[last] = value
    return content


def read_value(config, dotted):
    value = config
    for part in dotted.split("."):
        name = part.removesuffix("[]")
        value = getattr(value, name)
        value = value[0] if part != name else value
    return value
