"""`policy.yaml`: every setting and every removed class behind an export, in one file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from manifests.atomic import write_text
from manifests.exports.hugging_face import ExportedRelease
from manifests.exports.releases import MANIFEST_NAME
from manifests.lineage import CODE_VERSION, digest_file, digest_json

POLICY_NAME: Final = "policy.yaml"
SPLIT_RULE: Final = (
    "of every class of n images max(1, int(val_fraction * n)) validate: those whose SHA-256 of "
    "'SEED:ID' is smallest. Every class is split by itself, so no policy changes the split of "
    "another class."
)
"""Weyand et al. (2020) hold out as many; their choice is a shuffle."""


def write_policy_record(root: Path, exported: Sequence[ExportedRelease]) -> None:
    """Write the policies, the rules of the splits, and what each was made from."""
    content = {
        "split_rule": SPLIT_RULE,
        "label_rule": "classes are numbered 0..C-1 by ascending integer landmark_id",
        "policies": {release.policy: _describe(release) for release in exported},
        "exported_with": CODE_VERSION,
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    write_text(root / POLICY_NAME, text)


def _describe(exported: ExportedRelease) -> dict[str, Any]:
    manifest = exported.release.manifest
    touched = exported.release.touched_classes
    return {
        "settings": manifest.policy,
        "settings_sha256": digest_json(manifest.policy),
        "splits": {
            split.name.value: {"images": split.num_images, "classes": split.num_classes}
            for split in exported.splits
        },
        "removed_classes": [found.model_dump(mode="json") for found in touched],
        "made_from": {
            "manifest_sha256": digest_file(exported.release.path / MANIFEST_NAME),
            "config_digest": manifest.config_digest,
            "parents": manifest.parents,
            "code_version": manifest.code_version,
        },
    }
