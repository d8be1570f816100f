"""Writes docs/configuration.md from the settings: `python -m pipelines.config_reference FILE`."""

import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from manifests.atomic import write_text
from pipelines.run_config import RunConfig

_INTRODUCTION = """\
# Configuration

Generated from the settings classes by `make docs`; do not edit.

A job is one YAML file. A key that is not listed here is an error, which names it by its path.
Any setting can be overridden on the command line with `--set dotted.key=value`, items of lists by
number: `--set evaluation_sets.0.images=DIR`.

Relative paths in the file count from the file's own folder, those given with `--set` from the
current folder. A path may begin with `{source.root}`; where buckets are mounted (see
[running.md](running.md)), also with `gs://`.

In place of an evaluation set may stand the path of a YAML file with its keys, such as those in
`configs/evaluation/`; relative paths in it count from its own folder.
"""
_SIGNS = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}


def render_configuration() -> str:
    """All settings with type, default, bounds and meaning, as Markdown."""
    sections = [_INTRODUCTION]
    for name, field in RunConfig.model_fields.items():
        model = _find_model(field.annotation)
        if model is None:
            raise TypeError(f"section {name} of RunConfig is no settings class")
        sections.append("\n".join(_render_section(name, field, model)))
    return "\n".join(sections)


def list_settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting by its dotted path; `[]` stands for the items of a list."""
    for name, field in RunConfig.model_fields.items():
        model = _find_model(field.annotation)
        if model is not None:
            for path, setting in _walk(name + _list_mark(field.annotation), model):
                if _find_model(setting.annotation) is None:
                    yield path, setting


def _render_section(name: str, field: FieldInfo, model: type[BaseModel]) -> Iterator[str]:
    needed = "Must be given." if field.is_required() else "May be left out."
    yield f"## {name}\n\n{_flatten(model.__doc__)} {needed}\n"
    yield "| key | type | default | meaning |\n| --- | --- | --- | --- |"
    for path, setting in _walk(name + _list_mark(field.annotation), model):
        kind, default = _describe_type(setting), _describe_default(setting)
        yield f"| `{path}` | {kind} | {default} | {_describe_meaning(setting)} |"
    yield ""


def _walk(path: str, model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Every setting, and before its own settings every section that may be null."""
    for name, field in model.model_fields.items():
        nested = _find_model(field.annotation)
        if nested is None or type(None) in typing.get_args(field.annotation):
            yield f"{path}.{name}", field
        if nested is not None:
            yield from _walk(f"{path}.{name}", nested)


def _find_model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  (any annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = (_find_model(argument) for argument in typing.get_args(annotation))
    return next((model for model in models if model is not None), None)


def _list_mark(annotation: Any) -> str:  # noqa: ANN401  (any annotation)
    return "[]" if typing.get_origin(annotation) is tuple else ""


def _describe_type(field: FieldInfo) -> str:
    bounds = [
        f"{_SIGNS[type(bound)]} {getattr(bound, type(bound).__name__.lower())}"
        for bound in field.metadata
        if type(bound) in _SIGNS
    ]
    return ", ".join([_name_type(field.annotation), *bounds])


def _name_type(annotation: Any) -> str:  # noqa: ANN401  (any annotation)
    if _find_model(annotation) is not None:
        return "section or `null`"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _name_type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_name_type(arguments[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_name_type(a) for a in arguments if a is not type(None))
    return {str: "text", Path: "path", int: "integer", float: "number", bool: "true or false"}.get(
        annotation, str(annotation)
    )


def _describe_default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "must be given"
    if field.default in (None, ()):
        return "none"
    if isinstance(field.default, BaseModel):
        return "as below"
    if isinstance(field.default, bool | tuple):
        return f"`{json.dumps(field.default)}`"
    return f"`{field.default}`"


def _describe_meaning(field: FieldInfo) -> str:
    model = _find_model(field.annotation)
    of_section = None if model is None else model.__doc__
    return _flatten(field.description or of_section)


def _flatten(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), render_configuration())
