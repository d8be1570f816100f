"""The configuration of a job: one YAML file, one section per stage, nothing unknown allowed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError, model_validator

from curation.sift import SiftSettings
from manifests.lineage import digest_json
from manifests.manual_answers import read_manual_answers
from manifests.strict_model import StrictModel
from manifests.yaml_settings import (
    ConfigError,
    describe_problems,
    parse_override,
    put_value,
    read_yaml_settings,
)
from pipelines.engines.buckets import BUCKET_SCHEME, mounted
from pipelines.planning.prices import PriceSettings
from pipelines.planning.settings import PlanSettings
from pipelines.settings import (
    CleanStageSettings,
    DescribeSettings,
    DuplicateStageSettings,
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

_DOCS = "docs/configuration.md"
_ROOT_PLACEHOLDER = "{source.root}"
_PATH_KEYS = (
    ("source", "root"),
    ("source", "restrict_to"),
    ("evaluation_sets", "*", "images"),
    ("evaluation_sets", "*", "ground_truth"),
    ("duplicates", "index", "root"),
    ("embed", "network", "checkpoint"),
    ("clean", "answers"),
    ("overlap", "class_aliases"),
    ("truth", "images"),
    ("truth", "overlap"),
)
_NOT_IN_DIGEST = {"runner", "truth", "plan", "prices"}


class RunConfig(StrictModel):
    """A whole job."""

    source: SourceSettings
    evaluation_sets: tuple[EvaluationSetSettings, ...] = ()
    ingest: IngestSettings = IngestSettings()
    describe: DescribeSettings = DescribeSettings()
    embed: EmbedSettings = EmbedSettings()
    verify: VerifySettings = VerifySettings()
    clean: CleanStageSettings = CleanStageSettings()
    duplicates: DuplicateStageSettings = DuplicateStageSettings()
    overlap: OverlapStageSettings = OverlapStageSettings()
    emit: EmitSettings = EmitSettings()
    runner: RunnerSettings = RunnerSettings()
    truth: TruthSettings | None = None
    plan: PlanSettings = PlanSettings()
    prices: PriceSettings = PriceSettings()

    @model_validator(mode="after")
    def _check_thresholds(self) -> "RunConfig":
        if self.clean.min_inliers < self.verify.min_inliers:
            raise ValueError(
                f"clean.min_inliers ({self.clean.min_inliers}) is below verify.min_inliers "
                f"({self.verify.min_inliers}): pairs in between were never judged. Lower "
                "verify.min_inliers too"
            )
        self._check_skipping()
        self._check_counting()
        self._check_resolving()
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

    def _check_counting(self) -> None:
        """A look at the strongest features does not count up to a threshold of the cleaning."""
        counted = self.verify.cascade.min_inlier_share * self.verify.min_inliers
        if self.clean.min_inliers > counted and self.verify.cascade.mode == "decide_early":
            raise ValueError(
                f"clean.min_inliers ({self.clean.min_inliers}) is above the {counted:g} inliers up "
                "to which verify.cascade.mode decide_early always counts: set the mode to "
                "reject_early"
            )

    def _check_resolving(self) -> None:
        """Nothing is resolved that was never looked for."""
        rule = self.emit.cross_class_duplicates
        if rule != "report" and not self.duplicates.enabled:
            raise ValueError(
                f"emit.cross_class_duplicates {rule} needs duplicates.enabled: set it to true"
            )
        if self.emit.index_duplicates == "drop" and self.duplicates.index is None:
            raise ValueError(
                "emit.index_duplicates drop needs duplicates.index: say where that split is"
            )

    @property
    def candidate_features(self) -> SiftSettings:
        """How queries, and images that are compared with them, are described."""
        return self.overlap.describe or self.describe

    @property
    def digest(self) -> str:
        """SHA-256 of all settings that decide the result: no paths, no fetching, no runner."""
        content = self.model_dump(mode="json", exclude=_NOT_IN_DIGEST)
        for path in list(_paths(content)):
            del path.section[path.key]
        del content["source"]["fetch"]
        (content["embed"]["network"] or {}).pop("device", None)
        del content["verify"]["device"]
        content["clean"].pop("answers", None)
        return digest_json(content)


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a YAML file and the `--set` arguments.

    Relative paths of the file count from the file's folder, those of `overrides` from the
    current folder. A path may begin with `{source.root}`, or be `gs://BUCKET/PATH`, which means
    the folder where `runner.mount_root` has the bucket. An evaluation set may be the path of a
    YAML file that holds it, whose own paths count from its own folder.

    Args:
        path: the YAML file.
        overrides: `dotted.key=value`, the value in YAML; items of lists by number.

    Raises:
        ConfigError: naming the key by its path.
    """
    content = read_yaml_settings(path)
    _read_evaluation_sets(content, path.resolve().parent)
    _anchor_paths(content, path.resolve().parent)
    for override in overrides:
        _apply_override(content, override)
        # A later one may change what this one names.
        _read_evaluation_sets(content, Path.cwd())
    _anchor_paths(content, Path.cwd())
    _fill_in_root(content)
    _mount_buckets(content)
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        problems = (f"{path}: {problem}" for problem in describe_problems(error, _DOCS))
        raise ConfigError("\n".join(problems)) from error


def load_evaluation_set(path: Path, root: Path | None = None) -> EvaluationSetSettings:
    """Read the YAML file of one evaluation set, without a job around it.

    Args:
        path: the YAML file; its relative paths count from its folder.
        root: what `{source.root}` stands for.

    Raises:
        ConfigError: naming the file and the key.
    """
    content: dict[str, Any] = {"evaluation_sets": [read_yaml_settings(path)]}
    if root is not None:
        content["source"] = {"root": str(root.resolve())}
    _anchor_paths(content, path.resolve().parent)
    try:
        _fill_in_root(content)
        return EvaluationSetSettings.model_validate(content["evaluation_sets"][0])
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        problems = (f"{path}: {problem}" for problem in describe_problems(error, _DOCS))
        raise ConfigError("\n".join(problems)) from error


def check_paths(config: RunConfig) -> None:
    """Look whether the files and folders that a job reads are there, before it starts.

    A network is loaded and answers are read, so that what cannot be used is refused now and not
    after days.

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
    if config.clean.answers is not None:
        read_manual_answers(config.clean.answers)


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
        if not path.value.startswith((_ROOT_PLACEHOLDER, BUCKET_SCHEME)):
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


def _mount_buckets(content: dict[str, Any]) -> None:
    """Put the folder where a bucket is mounted in the place of its name."""
    runner = content.get("runner")
    given = runner.get("mount_root") if isinstance(runner, Mapping) else None
    mount_root = Path(given) if isinstance(given, str) else RunnerSettings().mount_root
    for path in _paths(content):
        path.section[path.key] = str(mounted(path.value, mount_root))


def _read_evaluation_sets(content: dict[str, Any], folder: Path) -> None:
    """Put the content of its file in the place of every evaluation set that is a path."""
    sets = content.get("evaluation_sets")
    if not isinstance(sets, list):
        return
    for number, item in enumerate(sets):
        if isinstance(item, str):
            path = folder / Path(item).expanduser()
            section = {"evaluation_sets": [read_yaml_settings(path)]}
            _anchor_paths(section, path.resolve().parent)
            sets[number] = section["evaluation_sets"][0]


def _apply_override(content: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if separator and key and text.startswith(_ROOT_PLACEHOLDER):
        # YAML would take the braces for a mapping, and a shell has eaten the quotes around them.
        put_value(content, tuple(key.split(".")), text)
    else:
        put_value(content, *parse_override(override))
