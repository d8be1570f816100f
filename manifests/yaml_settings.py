"""Settings from a YAML file and `--set` arguments, with errors that name the key."""

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from manifests.input_error import InputError


def read_yaml_settings(path: Path) -> dict[str, Any]:
    """Read a YAML file of named sections.

    Raises:
        InputError: the file is missing, no YAML, no mapping, or gives a key twice.
    """
    try:
        content = _parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file of settings") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as a file of settings: {error}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected named settings such as `seed: 0`, found {content!r}")
    return content


def parse_override(override: str) -> tuple[tuple[str, ...], Any]:
    """Take `dotted.key=value` apart; the value is in YAML.

    Raises:
        InputError: there is no key or no value, or the value is no YAML.
    """
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError(f"--set {override}: expected dotted.key=value")
    try:
        return tuple(key.split(".")), _parse_yaml(text)
    except InputError as error:
        raise InputError(f"--set {override}: {error}") from error


def put_value(content: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:  # noqa: ANN401
    """Put a value where dotted keys lead, making sections on the way.

    Raises:
        InputError: the way leads through a plain value.
    """
    section = content
    for number, part in enumerate(keys[:-1], start=1):
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            where = ".".join(keys[:number])
            raise InputError(f"--set {'.'.join(keys)}: {where} is a plain value, not a section")
    section[keys[-1]] = value


def describe_problems(error: ValidationError, docs: str) -> Iterator[str]:
    """One line for each wrong setting, with its dotted name; `docs` lists the right ones."""
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            yield f"{key}: there is no such setting; see {docs}"
        elif problem["type"] == "missing":
            yield f"{key}: must be given"
        elif problem["loc"]:
            yield f"{key}: {message} (found {problem['input']!r})"
        else:
            yield message


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in one section, as YAML itself demands."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002  (PyYAML's signature)
    ) -> dict[Hashable, Any]:
        seen: list[object] = []
        for key, _ in node.value:
            if key.value in seen:
                problem = f"the key {key.value!r} is given twice in one section"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.append(key.value)
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str) -> Any:  # noqa: ANN401  (any YAML value)
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InputError(f"not readable as YAML: {where}{error.problem}") from error
    except yaml.YAMLError as error:
        raise InputError(f"not readable as YAML: {' '.join(str(error).split())}") from error
