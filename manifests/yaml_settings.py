"""Settings from a YAML file and `--set` arguments, with errors that name the key."""

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from manifests.input_error import InputError


class ConfigError(InputError):
    """A configuration that cannot be used; the message names file, key and remedy."""


def read_yaml_settings(path: Path) -> dict[str, Any]:
    """Read a YAML file of named sections.

    Raises:
        ConfigError: the file is missing, no YAML, no mapping, or gives a key twice.
    """
    try:
        content = _parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as a configuration file: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected sections such as `source:`, found {content!r}")
    return content


def parse_override(override: str) -> tuple[tuple[str, ...], Any]:
    """Take `dotted.key=value` apart; the value is in YAML.

    Raises:
        ConfigError: there is no key or no value, or the value is no YAML.
    """
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {override}: expected dotted.key=value")
    try:
        return tuple(key.split(".")), _parse_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"--set {override}: {error}") from error


def put_value(content: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:  # noqa: ANN401
    """Put a value where dotted keys lead, making sections on the way; items of lists by number.

    Raises:
        ConfigError: the way leads through a plain value, an empty section or past a list's end.
    """
    *parents, last = keys
    section: Any = content
    for number, part in enumerate(parents):
        where = ".".join(parents[: number + 1])
        if isinstance(section, dict):
            section = section.setdefault(part, {})
        else:
            section = section[_list_index(section, part, where)]
        if section is None:
            name = ".".join(keys)
            raise ConfigError(f"--set {name}: {where} is empty in the file; give it in full")
    if isinstance(section, dict):
        section[last] = value
    else:
        section[_list_index(section, last, ".".join(keys))] = value


def _list_index(section: object, part: str, where: str) -> int:
    if not isinstance(section, list):
        raise ConfigError(f"--set {where}: leads into a plain value, not into a section")
    if not part.isdecimal() or int(part) >= len(section):
        items = f"items 0 to {len(section) - 1}" if section else "no items"
        raise ConfigError(f"--set {where}: the list has {items}")
    return int(part)


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
        raise ConfigError(f"not readable as YAML: {where}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not readable as YAML: {' '.join(str(error).split())}") from error
