"""The settings of an audit, from its arguments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from curation.canary_choice import CanarySettings
from curation.overlap import OverlapSettings
from manifests.lineage import digest_json
from manifests.strict_model import StrictModel
from manifests.yaml_settings import ConfigError, describe_problems, parse_override, put_value
from pipelines.run_config import load_evaluation_set
from pipelines.run_folder import is_run_folder, read_config
from pipelines.settings import (
    DescribeSettings,
    EmbedSettings,
    EvaluationSetSettings,
    RunnerSettings,
    VerifySettings,
)

_DOCS = "docs/audit.md"
_SECTIONS = ("describe", "embed", "verify", "overlap", "canaries", "gate", "runner")


class GateSettings(StrictModel):
    """What an audit must show for the list to pass; overlap that nobody refused never passes."""

    min_recall: float = Field(0.7, ge=0, le=1)
    """The lower end of the 95 % interval of recall must reach this, for each kind of transformed
    view and each evaluation set: of 20 canaries, 19 must be found."""
    max_false_accept_rate: float = Field(0.1, ge=0, le=1)
    """The upper end of the 95 % interval of accepted controls may not exceed this, for each kind
    and each evaluation set: of 40, none may be accepted."""
    min_examined: float = Field(1.0, ge=0, le=1)
    """Share of the list that must have been examined. Below 1, a list may pass with images that
    nobody has looked into; the certificate names them."""


class AuditOverlapSettings(OverlapSettings):
    """Evaluation queries against the list, by the features described below."""

    queries_per_unit: int = Field(5, ge=1)
    """Queries of one unit of work; of sets that would have more than 1,000 units, up to 250."""


class AuditConfig(StrictModel):
    """A whole audit."""

    train: Path
    """The list: a run, manifests, a list of GLDv2, Parquet, `path label` lines, or folders."""
    photos: Path
    """What the places of its images are relative to, or the folder that holds the shards."""
    evaluation_sets: tuple[EvaluationSetSettings, ...] = Field(min_length=1)
    describe: DescribeSettings = DescribeSettings(long_side_px=800, max_features=2000)
    """More features than a job takes by default: here every photograph counts."""
    embed: EmbedSettings = EmbedSettings()
    verify: VerifySettings = VerifySettings()
    overlap: AuditOverlapSettings = AuditOverlapSettings()
    canaries: CanarySettings = CanarySettings()
    gate: GateSettings = GateSettings()
    runner: RunnerSettings = RunnerSettings()
    item_timeout_seconds: float = Field(120.0, gt=0)
    """An image that takes longer to decode hangs; its worker is stopped."""

    @model_validator(mode="after")
    def _check(self) -> "AuditConfig":
        names = [evaluation_set.name for evaluation_set in self.evaluation_sets]
        if len(set(names)) != len(names):
            raise ValueError(f"--against: two evaluation sets have one name: {names}")
        if self.overlap.always_show_top < 1:
            raise ValueError(
                "overlap.always_show_top must be 1 at least: a query that shows nothing could "
                "not be told from one that was not compared"
            )
        return self

    def dump_decisive(self) -> dict[str, Any]:
        """The settings that decide the certificate: no paths, no runner."""
        return {
            "describe": self.describe.model_dump(mode="json"),
            "embed": self._dump_embedder(),
            "verify": self.verify.dump_decisive_of_pair(),
            "overlap": self.overlap.model_dump(mode="json", exclude={"queries_per_unit"}),
            "canaries": self.canaries.model_dump(mode="json"),
            "gate": self.gate.model_dump(mode="json"),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the settings that decide the certificate."""
        return digest_json(self.dump_decisive())

    def _dump_embedder(self) -> dict[str, Any]:
        network = self.embed.used_network
        if network is None:
            return self.embed.model_dump(mode="json", exclude={"network"})
        return {"method": "network", **network.dump_decisive()}


def load_audit(
    train: Path, against: Sequence[Path], photos: Path | None, overrides: Sequence[str] = ()
) -> AuditConfig:
    """Put the settings of an audit together from its arguments.

    Args:
        train: the list.
        against: YAML files of one evaluation set each; `{source.root}` in them is `photos`.
        photos: where the images are; None for a run, which knows, and for lists whose paths count
            from their own folder.
        overrides: `dotted.key=value`, as for `cleanmark run`; relative paths count from the
            current folder.

    Raises:
        ConfigError: naming the file and the key.
        pipelines.run_folder.RunFolderError: the list is a run whose configuration is unreadable.
    """
    train = train.absolute()
    root = (photos or _find_photos(train)).absolute()
    content: dict[str, Any] = {
        "train": train,
        "photos": root,
        "evaluation_sets": [load_evaluation_set(path, root).model_dump() for path in against],
    }
    defaults = AuditConfig.model_fields
    for override in overrides:
        keys, value = parse_override(override)
        if keys[0] in _SECTIONS and keys[0] not in content:
            content[keys[0]] = defaults[keys[0]].default.model_dump()
        put_value(content, keys, value)
    try:
        return _anchor_checkpoint(AuditConfig.model_validate(content))
    except ValidationError as error:
        raise ConfigError("\n".join(describe_problems(error, _DOCS))) from error


def _anchor_checkpoint(config: AuditConfig) -> AuditConfig:
    """Workers may have another current folder."""
    if config.embed.network is None:
        return config
    checkpoint = config.embed.network.checkpoint.absolute()
    if not checkpoint.is_file():
        raise ConfigError(
            f"embed.network.checkpoint: {checkpoint} does not exist; correct the path"
        )
    network = config.embed.network.model_copy(update={"checkpoint": checkpoint})
    return config.model_copy(update={"embed": config.embed.model_copy(update={"network": network})})


def _find_photos(train: Path) -> Path:
    for folder in (train, *train.parents[:2]):
        if is_run_folder(folder):
            return read_config(folder).source.root
    return train if train.is_dir() else train.parent
