"""Plain lists that trainers of landmark retrieval read: `train_clean.csv`, and `path label` lines.

The lists of `path label` lines are those of DELG's, DOLG's and CFCD's trainers: a path relative to
the folder into which the shards were unpacked, a blank, and a contiguous label.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.exports.columns import SplitName
from manifests.exports.hugging_face import ExportedRelease
from manifests.gldv2_csv import write_train_clean_table

COMPAT_FOLDER = "compat"
_LISTS = {SplitName.TRAIN: "train_list.txt", SplitName.VALIDATION: "val_list.txt"}


def compat_folder(exported: ExportedRelease) -> Path:
    """Where the files of a policy for other programs are; made if missing."""
    folder = exported.root / COMPAT_FOLDER / exported.policy
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_lists(exported: ExportedRelease) -> None:
    """Write `train_clean.csv` with every kept image, and a list for each of the two splits."""
    folder = compat_folder(exported)
    for split, name in _LISTS.items():
        _write_path_label_list(folder / name, exported, split)
    parts = [part for split in _LISTS for part in exported.read_parts(split, ["id", "landmark_id"])]
    images = pa.concat_tables(parts).rename_columns(["image_id", "landmark_id"])
    write_train_clean_table(folder / "train_clean.csv", images)


def _write_path_label_list(path: Path, exported: ExportedRelease, split: SplitName) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        for part in exported.read_parts(split, ["member", "label"]):
            labels = part["label"].cast(pa.string())
            lines = pc.binary_join_element_wise(part["member"], labels, " ")
            stream.writelines(f"{line}\n" for line in lines.to_pylist())
