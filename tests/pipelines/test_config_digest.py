"""What the digest of a configuration depends on, and that writing one down loses nothing."""

import typing
from pathlib import Path

import pytest
from config_files import FULL, PATHS, load_job, read_value, with_value, write_config

from pipelines.config_reference import list_settings
from pipelines.run_config import RunConfig, dump_config, load_config


def _is_free(path):
    free = (
        "runner.",
        "truth.",
        "plan.",
        "prices.",
        "source.fetch.",
        "embed.network.device",
        "verify.device",
    )
    return path in PATHS or path.startswith(free)


def _has_choice(field):
    choices = typing.get_args(field.annotation)
    return typing.get_origin(field.annotation) is not typing.Literal or len(choices) > 1


_WORDS = ("tcp://host:8786", "host:8099", "gs://some-bucket/tmp", "8GiB")


def _other_values(value, field):
    """Values near the one given; which of them are allowed is the settings' own business."""
    if typing.get_origin(field.annotation) is typing.Literal:
        yield from (choice for choice in typing.get_args(field.annotation) if choice != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value * 0.9, value * 2)
    elif isinstance(value, Path | None):
        yield from ("/somewhere/else", 7, *_WORDS)
    else:
        yield from ("other", "/other", "7", "cpu") if isinstance(value, str) else (["other"], [0.5])


def _change(path, field):
    """The digest of a configuration that differs from `FULL` in one setting alone."""
    full = with_value(FULL, "source.fetch", {"shards": "0-9"})
    plain = RunConfig.model_validate(full)
    for value in _other_values(read_value(plain, path), field):
        try:
            changed = RunConfig.model_validate(with_value(full, path, value))
        except ValueError:
            continue
        assert changed != plain
        return changed.digest
    raise AssertionError(f"no other value found for {path}")


@pytest.mark.parametrize(
    ("path", "field"),
    [(p, f) for p, f in list_settings() if not _is_free(p) and _has_choice(f)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_digest_changes_with_every_setting_that_decides_the_result(path, field):
    assert _change(path, field) != RunConfig.model_validate(FULL).digest


@pytest.mark.parametrize(
    ("path", "field"),
    [(path, field) for path, field in list_settings() if _is_free(path)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_digest_knows_neither_paths_nor_runner_nor_truth(path, field):
    assert _change(path, field) == RunConfig.model_validate(FULL).digest


def test_defaults_written_out_have_the_digest_of_defaults_left_out(tmp_path):
    config = load_job(tmp_path, FULL)
    written_out = load_config(write_config(tmp_path, dump_config(config), "full.yaml"))
    assert written_out.digest == config.digest


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("evaluation_sets.0.text_terms=[Île, 'no', '12']", "source.root='/Fotos/Köln: Dom'"),
        ("truth=null", "evaluation_sets=[]"),
        ("runner.unit_timeout_seconds=.inf", "verify.copies.max_residual=1e-5"),
    ],
)
def test_what_is_dumped_loads_as_the_same_configuration(tmp_path, overrides):
    config = load_job(tmp_path, FULL, *overrides)
    assert load_config(write_config(tmp_path, dump_config(config), "dumped.yaml")) == config
