import subprocess
import sys
import types
import typing
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from manifests.strict_model import StrictModel
from pipelines import config_reference
from pipelines.config_reference import list_settings, render_configuration
from pipelines.run_config import RunConfig


def _rows(text):
    """The cells of every row about a setting, by its path."""
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in rows}


class _Inner(StrictModel):
    """Inside."""

    ratio: float = Field(0.5, gt=0, le=1)
    """A share."""


class _Section(StrictModel):
    """A section that
    goes on."""

    name: str
    """What it
    is called."""
    mode: Literal["a", "b"] = "a"
    """`a`: one; `b`: other."""
    terms: tuple[str, ...] = ()
    """Words."""
    folder: Path | None = None
    """Where."""
    check: bool = True
    """Whether."""
    count: int = Field(2, ge=1, lt=9)
    """How many."""
    sizes: tuple[float, ...] = (0.5, 1.0)
    """How large."""
    inner: _Inner = _Inner()
    other: _Inner | None = None
    last: _Inner | None = _Inner()
    """Or nothing."""


class _Job(StrictModel):
    """A job."""

    first: _Section
    many: tuple[_Section, ...] = ()


@pytest.fixture
def invented(monkeypatch):
    monkeypatch.setattr(config_reference, "RunConfig", _Job)
    return render_configuration()


def test_every_kind_of_setting_is_rendered(invented):
    assert _rows(invented) == {
        f"{section}.{path}": cells
        for section in ("first", "many[]")
        for path, cells in {
            "name": ["text", "must be given", "What it is called."],
            "mode": ["`a` or `b`", "`a`", "`a`: one; `b`: other."],
            "terms": ["list of text", "none", "Words."],
            "folder": ["path", "none", "Where."],
            "check": ["true or false", "`true`", "Whether."],
            "count": ["integer, ≥ 1, < 9", "`2`", "How many."],
            "sizes": ["list of number", "`[0.5, 1.0]`", "How large."],
            "inner.ratio": ["number, > 0, ≤ 1", "`0.5`", "A share."],
            "other": ["section or `null`", "none", "Inside."],
            "other.ratio": ["number, > 0, ≤ 1", "`0.5`", "A share."],
            "last": ["section or `null`", "as below", "Or nothing."],
            "last.ratio": ["number, > 0, ≤ 1", "`0.5`", "A share."],
        }.items()
    }


def test_a_section_says_whether_it_must_be_given(invented):
    assert "## first\n\nA section that goes on. Must be given.\n" in invented
    assert "## many\n\nA section that goes on. May be left out.\n" in invented


def test_a_section_that_is_no_settings_class_is_an_error_of_ours(monkeypatch):
    class Flat(StrictModel):
        number: int = 1

    monkeypatch.setattr(config_reference, "RunConfig", Flat)
    with pytest.raises(TypeError, match="section number of RunConfig is no settings class"):
        render_configuration()


def _leaves(value, path):
    """Every dotted path of a dumped configuration, items of lists of sections as `[]`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, tuple | list) and value and isinstance(value[0], dict):
        yield from _leaves(value[0], f"{path}[]")
    else:
        yield path


def test_the_list_holds_every_setting_of_a_full_configuration_and_no_other():
    full = {
        "source": {"root": "/data", "fetch": {}},
        "evaluation_sets": [{"name": "a", "images": "/jpg", "ground_truth": "/gnd.json"}],
        "duplicates": {"index": {"root": "/data"}},
        "embed": {"network": {"checkpoint": "/network.pth"}},
        "truth": {"images": "/truth.csv"},
        "runner": {"dataflow": {"gpu": {}}},
    }
    dumped = RunConfig.model_validate(full).model_dump(mode="json")
    paths = [path for path, _ in list_settings()]
    assert sorted(paths) == sorted(_leaves(dumped, ""))
    assert len(set(paths)) == len(paths)


def test_no_type_of_a_setting_shows_its_python_name():
    for path, field in list_settings():
        kind = _rows(render_configuration())[path][0]
        assert "<class" not in kind, path
        assert "typing" not in kind, path
        union = typing.get_origin(field.annotation) in (typing.Union, types.UnionType)
        assert not (union and "None" in kind), path


def test_the_module_writes_the_document(tmp_path):
    path = tmp_path / "configuration.md"
    command = [sys.executable, "-m", "pipelines.config_reference", str(path)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    assert path.read_text(encoding="utf-8") == render_configuration()
