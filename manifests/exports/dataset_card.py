"""`README.md`: the dataset card, whose front matter tells Hugging Face what to load."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import yaml

from manifests.atomic import write_text
from manifests.exports.attribution import ATTRIBUTION_NAME, AttributionCounts
from manifests.exports.columns import EXPORTED, KEPT_SPLITS
from manifests.exports.hugging_face import ExportedRelease
from manifests.exports.identity import CITATIONS, LICENSE_ID, Identity
from manifests.exports.policy_record import SPLIT_RULE
from manifests.manifest_json import RemovedClass
from manifests.rows import MEANINGS, REASONS_OF_STAGE

CARD_NAME: Final = "README.md"
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_POLICIES = {
    "published": "the classes of Song et al. (2024), Table A12",
    "paper": "for each query the class with most confirmed photographs, and confirmed names",
    "confirmed": "every class of which a person confirmed a photograph or the name",
    "strict": "also every class with an automatic match that nobody refused",
}


def write_dataset_card(
    root: Path,
    exported: Sequence[ExportedRelease],
    attribution: AttributionCounts,
    identity: Identity,
) -> None:
    """Write the card; its first configuration is the one that loads without a name."""
    front = yaml.safe_dump(
        _describe(exported, identity), sort_keys=False, allow_unicode=True, width=100
    )
    body = "\n\n".join(_write_sections(exported, attribution, identity))
    write_text(root / CARD_NAME, f"---\n{front}---\n\n{body}\n")


def _describe(exported: Sequence[ExportedRelease], identity: Identity) -> dict[str, Any]:
    configs = [_describe_files(release) for release in exported]
    configs[0]["default"] = True
    largest = max(sum(split.num_images for split in release.splits) for release in exported)
    return {
        "license": LICENSE_ID,
        "pretty_name": identity.name,
        "tags": ["landmarks", "image-retrieval", "metric-learning", "google-landmarks-v2"],
        "task_categories": ["image-feature-extraction", "image-classification"],
        "annotations_creators": ["machine-generated", "expert-generated"],
        "source_datasets": ["extended"],
        "size_categories": [_choose_size(largest)],
        "configs": configs,
        "dataset_info": [_describe_rows(release) for release in exported],
    }


def _choose_size(num_rows: int) -> str:
    return next((name for limit, name in _SIZES if num_rows < limit), "10M<n<100M")


def _describe_files(exported: ExportedRelease) -> dict[str, Any]:
    files = [
        {"split": split.name.value, "path": f"data/{exported.policy}/{split.name}-*.parquet"}
        for split in exported.written_splits
    ]
    return {"config_name": exported.policy, "data_files": files}


def _describe_rows(exported: ExportedRelease) -> dict[str, Any]:
    splits = exported.written_splits
    on_disk = sum((exported.root / file).stat().st_size for split in splits for file in split.files)
    return {
        "config_name": exported.policy,
        "features": [{"name": c.name, "dtype": _name_type(c.type)} for c in EXPORTED.columns],
        "splits": [
            {"name": s.name.value, "num_bytes": s.num_bytes, "num_examples": s.num_images}
            for s in splits
        ],
        "download_size": on_disk,
        "dataset_size": sum(split.num_bytes for split in splits),
    }


def _name_type(dtype: pa.DataType) -> str:
    return str(dtype)


def _write_sections(
    exported: Sequence[ExportedRelease], attribution: AttributionCounts, identity: Identity
) -> Iterator[str]:
    first = exported[0]
    yield f"# {identity.name}"
    yield (
        "Lists of images of Google Landmarks v2 (Weyand et al. 2020), cleaned, without classes "
        "that show a landmark of an evaluation set. There are no photographs in here: a row says "
        "where one is, which class it belongs to, and why it was kept or removed."
    )
    yield "## Splits"
    yield "\n".join(_tabulate_splits(exported))
    yield "\n".join(
        f"- `{r.policy}`: {_POLICIES.get(r.policy, 'see policy.yaml')}" for r in exported
    )
    yield f"Split rule: {SPLIT_RULE} Settings: {_name_settings(first)}."
    yield "Labels number the classes that a policy keeps, 0..C-1 by ascending `landmark_id`."
    yield "## Loading"
    yield _show_loading(first)
    yield "## Removed classes"
    yield "\n".join(_tabulate_removed(exported))
    yield "## Reasons"
    yield (
        "A kept image is `verified`, if enough other photographs of its class show the same "
        "surface, or `listed`, if the split was made from GLDv2's lists alone."
    )
    yield "\n".join(_tabulate_reasons(exported))
    yield "## Columns"
    yield "\n".join(_tabulate_columns())
    yield "## Rights"
    yield (
        f"The lists are licensed {LICENSE_ID.upper()}, as GLDv2's own. Every photograph has a "
        f"licence of its own. {attribution.describe()} `{ATTRIBUTION_NAME}` has a row for each, "
        "with what is missing in the column `lacks`."
    )
    yield "`CHECKSUMS.sha256` vouches for every file; `policy.yaml` has the settings and evidence."
    yield "## Sources"
    yield "\n".join(f"- {citation}" for citation in CITATIONS)


def _tabulate_splits(exported: Sequence[ExportedRelease]) -> Iterator[str]:
    yield "| configuration | split | images | classes |\n| --- | --- | ---: | ---: |"
    for release in exported:
        for split in release.splits:
            yield (
                f"| `{release.policy}` | {split.name} | {split.num_images:,} "
                f"| {split.num_classes:,} |"
            )


def _name_settings(exported: ExportedRelease) -> str:
    settings = exported.release.manifest.policy
    return ", ".join(f"{name} {settings.get(name)}" for name in ("val_fraction", "seed"))


def _show_loading(exported: ExportedRelease) -> str:
    split = next((s for s in exported.written_splits if s.name in KEPT_SPLITS), None)
    name = "removed" if split is None else split.name.value
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        f'images = load_dataset("PATH/OF/THIS/FOLDER", "{exported.policy}", split="{name}")\n```'
    )


def _tabulate_removed(exported: Sequence[ExportedRelease]) -> Iterator[str]:
    by_class: dict[int, RemovedClass] = {}
    policies: dict[int, list[str]] = {}
    for release in exported:
        for removed in release.release.touched_classes:
            by_class.setdefault(removed.landmark_id, removed)
            policies.setdefault(removed.landmark_id, []).append(f"`{release.policy}`")
    if not by_class:
        yield "None."
        return
    yield "| landmark_id | name | images | removed by | evidence |"
    yield "| ---: | --- | ---: | --- | --- |"
    for landmark_id, removed in sorted(by_class.items()):
        yield (
            f"| {landmark_id} | {_escape(removed.landmark_name or '')} | {removed.images:,} "
            f"| {', '.join(policies[landmark_id])} | {_escape(removed.evidence)} |"
        )


def _tabulate_reasons(exported: Sequence[ExportedRelease]) -> Iterator[str]:
    yield "| configuration | stage | reason | images | meaning |"
    yield "| --- | --- | --- | ---: | --- |"
    for release in exported:
        for stage, by_reason in release.release.manifest.removed.items():
            for reason, number in by_reason.items():
                meaning = MEANINGS[REASONS_OF_STAGE[stage](reason)]
                yield f"| `{release.policy}` | {stage} | `{reason}` | {number:,} | {meaning} |"


def _escape(text: str) -> str:
    """Text as a cell of a table: names are data of strangers and may hold markup."""
    for special in "\\`*_[]<>|#":
        text = text.replace(special, f"\\{special}")
    return " ".join(text.split())


def _tabulate_columns() -> Iterator[str]:
    yield "| column | type | meaning |\n| --- | --- | --- |"
    for column in EXPORTED.columns:
        yield f"| {column.name} | {column.type} | {column.description} |"
