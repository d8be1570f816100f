"""The configuration of a job: one YAML file, one section per stage, nothing unknown allowed."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError, model_validator

from curation.train_split import CleanSettings
from manifests.input_error import InputError
from manifests.lineage import digest_json
from manifests.strict_model import StrictModel
from pipelines.settings import (
    DescribeSettings,
    EmbedSettings,
    EmitSettings,
    EvaluationSetSettings,
    IngestSettings,
    NetworkEmbedSettings,
    OverlapStageSettings,
    RunnerSettings,
    SourceSettings,
    TruthSettings,
    VerifySettings,
)

_ROOT_PLACEHOLDER = "{source.root}"
_PATH_KEYS = (
    ("source", "root"),
    ("source", "restrict_to"),
    ("evaluation_sets", "*", "images"),
    ("evaluation_sets", "*", "ground_truth"),
    ("embed", "network", "checkpoint"),
    ("truth", "images"),
    ("truth", "overlap"),
)
_NOT_IN_DIGEST = {"runner", "truth"}


class ConfigError(InputError):
    """A configuration that cannot be used; the message names file, key and remedy."""


class RunConfig(StrictModel):
    """A whole job."""

    source: SourceSettings
    evaluation_sets: tuple[EvaluationSetSettings, ...] = ()
    ingest: IngestSettings = IngestSettings()
    describe: DescribeSettings = DescribeSettings()
    embed: EmbedSettings = EmbedSettings()
    verify: VerifySettings = VerifySettings()
    clean: CleanSettings = CleanSettings()
    overlap: OverlapStageSettings = OverlapStageSettings()
    emit: EmitSettings = EmitSettings()
    runner: RunnerSettings = RunnerSettings()
    truth: TruthSettings | None = None

    @model_validator(mode="after")
    def _check_thresholds(self) -> "RunConfig":
        if self.clean.min_inliers < self.verify.min_inliers:
            raise ValueError(
                f"clean.min_inliers ({self.clean.min_inliers}) is below verify.min_inliers "
                f"({self.verify.min_inliers}): pairs in between were never judged. Lower "
                "verify.min_inliers too"
            )
        self._check_skipping()
        names = [evaluation_set.name for evaluation_set in self.evaluation_sets]
        if len(set(names)) != len(names):
            raise ValueError(f"evaluation_sets: two of them have one name: {names}")
        return self

    def _check_skipping(self) -> None:
        """Skipping pairs must not change which images are kept."""
        if not self.verify.skip_settled_pairs:
            return
        if self.clean.policy == "kcore" or self.clean.min_inliers != self.verify.min_inliers:
            raise ValueError(
                "verify.skip_settled_pairs skips pairs that clean.policy kcore, or a "
                "clean.min_inliers above verify.min_inliers, need: set it to false"
            )

    @property
    def digest(self) -> str:
        """SHA-256 of all settings that decide the result: no paths, no fetching, no runner."""
        content = self.model_dump(mode="json", exclude=_NOT_IN_DIGEST)
        for path in list(_paths(content)):
            del path.section[path.key]
        del content["source"]["fetch"]
        (content["embed"]["network"] or {}).pop("device", None)
        del content["verify"]["device"]
        return digest_json(content)


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a YAML file and the `--set` arguments.

    Relative paths of the file count from the file's folder, those of `overrides` from the
    current folder. A path may begin with `{source.root}`. An evaluation set may be the path of a
    YAML file that holds it, whose own paths count from its own folder.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value`, the value in YAML; items of lists by number.

    Raises:
        ConfigError: naming the key by its path.
    """
    content = _read_yaml(path)
    _read_evaluation_sets(content, path.resolve().parent)
    _anchor_paths(content, path.resolve().parent)
    for override in overrides:
        _apply_override(content, override)
        # A later one may change what this one names.
        _read_evaluation_sets(content, Path.cwd())
    _anchor_paths(content, Path.cwd())
    _fill_in_root(content)
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        problems = (f"{path}: {problem}" for problem in _describe(error))
        raise ConfigError("\n".join(problems)) from error


def load_evaluation_set(path: Path, root: Path | None = None) -> EvaluationSetSettings:
    """Read the YAML file of one evaluation set, without a job around it.

    Args:
        path: the YAML file; its relative paths count from its folder.
        root: what `{source.root}` stands for.

    Raises:
        ConfigError: naming the file and the key.
    """
    content: dict[str, Any] = {"evaluation_sets": [_read_yaml(path)]}
    if root is not None:
        content["source"] = {"root": str(root.resolve())}
    _anchor_paths(content, path.resolve().parent)
    try:
        _fill_in_root(content)
        return EvaluationSetSettings.model_validate(content["evaluation_sets"][0])
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        problems = (f"{path}: {problem}" for problem in _describe(error))
        raise ConfigError("\n".join(problems)) from error


def check_paths(config: RunConfig) -> None:
    """Look whether the files and folders that a job reads are there, before it starts.

    A network is loaded, so that one that cannot be used is refused now and not after days.

    Raises:
        InputError: naming the key and the path.
    """
    content = config.model_dump(mode="json")
    for path in _paths(content):
        if config.source.fetch is not None and _is_fetched(path, content, config.source.root):
            continue
        if not Path(path.value).exists():
            raise ConfigError(
                f"{path.name}: {path.value} does not exist; set it with --set or in the file"
            )
    if (network := config.embed.used_network) is not None:
        _check_network(network)


def _check_network(settings: NetworkEmbedSettings) -> None:
    try:
        # Loads torch, which a job without a network need not have.
        from pipelines.network_embedding import check_network
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"embed.method: a network needs {error.name}, which is not installed; "
            "install the optional extra: pip install 'cleanmark[train]', or set it to vlad"
        ) from error
    check_network(settings)


def _is_fetched(path: "_PathSetting", content: dict[str, Any], root: Path) -> bool:
    """Whether a path need not be there yet, because fetching the training set brings it."""
    return path.section is content["source"] and Path(path.value).is_relative_to(root)


def dump_config(config: RunConfig) -> str:
    """The configuration as YAML that `load_config` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


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
    """Read one YAML document; a `ConfigError` says in one line what is wrong with it."""
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError(f"not readable as YAML: {where}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not readable as YAML: {' '.join(str(error).split())}") from error


def _read_yaml(path: Path) -> dict[str, Any]:
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


def _describe(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            yield f"{key}: there is no such setting; see docs/configuration.md"
        elif problem["type"] == "missing":
            yield f"{key}: must be given"
        elif problem["loc"]:
            yield f"{key}: {message} (found {problem['input']!r})"
        else:
            yield f"{message}"


class _PathSetting(NamedTuple):
    """A path that is given: its dotted name, and the section, key and value that hold it."""

    name: str
    section: dict[str, Any]
    key: str
    value: str


def _paths(content: dict[str, Any]) -> Iterator[_PathSetting]:
    for *parents, key in _PATH_KEYS:
        for name, section in _sections(content, parents):
            if isinstance(section.get(key), str):
                yield _PathSetting(".".join([*name, key]), section, key, section[key])


def _sections(
    content: object, keys: Sequence[str], name: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every mapping that `keys` lead to, with its own name; `*` stands for each item of a list."""
    if not keys:
        if isinstance(content, dict):
            yield name, content
    elif keys[0] == "*":
        for number, item in enumerate(content if isinstance(content, list) else ()):
            yield from _sections(item, keys[1:], (*name, str(number)))
    elif isinstance(content, dict):
        yield from _sections(content.get(keys[0]), keys[1:], (*name, keys[0]))


def _anchor_paths(content: dict[str, Any], folder: Path) -> None:
    for path in _paths(content):
        if not path.value.startswith(_ROOT_PLACEHOLDER):
            path.section[path.key] = str(folder / Path(path.value).expanduser())


def _fill_in_root(content: dict[str, Any]) -> None:
    source = content.get("source")
    root = source.get("root") if isinstance(source, Mapping) else None
    for path in _paths(content):
        if path.value.startswith(_ROOT_PLACEHOLDER):
            if not isinstance(root, str) or path.name == "source.root":
                raise ConfigError(
                    f"{path.name}: {path.value!r} needs source.root, which is not given"
                )
            path.section[path.key] = path.value.replace(_ROOT_PLACEHOLDER, root, 1)


def _read_evaluation_sets(content: dict[str, Any], folder: Path) -> None:
    """Put the content of its file in the place of every evaluation set that is a path."""
    sets = content.get("evaluation_sets")
    if not isinstance(sets, list):
        return
    for number, item in enumerate(sets):
        if isinstance(item, str):
            path = folder / Path(item).expanduser()
            section = {"evaluation_sets": [_read_yaml(path)]}
            _anchor_paths(section, path.resolve().parent)
            sets[number] = section["evaluation_sets"][0]


def _apply_override(content: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {override}: expected dotted.key=value")
    try:
        # YAML would take the braces for a mapping, and a shell has eaten the quotes around them.
        value = text if text.startswith(_ROOT_PLACEHOLDER) else _parse_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"--set {override}: {error}") from error
    *parents, last = key.split(".")
    section: Any = content
    for number, part in enumerate(parents):
        where = ".".join(parents[: number + 1])
        if isinstance(section, dict):
            section = section.setdefault(part, {})
        else:
            section = section[_list_index(section, part, where)]
        if section is None:
            raise ConfigError(f"--set {override}: {where} is empty in the file; give it in full")
    if isinstance(section, dict):
        section[last] = value
    else:
        section[_list_index(section, last, key)] = value


def _list_index(section: object, part: str, where: str) -> int:
    if not isinstance(section, list):
        raise ConfigError(f"--set {where}: leads into a plain value, not into a section")
    if not part.isdecimal() or int(part) >= len(section):
        items = f"items 0 to {len(section) - 1}" if section else "no items"
        raise ConfigError(f"--set {where}: the list has {items}")
    return int(part)
