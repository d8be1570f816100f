"""The ledger: after every step, no image is lost and none is counted twice.

What went into a step is compared, image by image, with what came out and with the reasons for the
rest. The comparison reads the finished parts anew; nothing that the stages count is believed. It
goes shard by shard, so that it needs no more memory for four million images than for one shard;
only the verdicts, which are not in order of shards, take 8 bytes an image.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from manifests.arrow_schemas import (
    EMBEDDINGS,
    FEATURES,
    FILES,
    IMAGES,
    MANIFEST,
    REMOVED,
    VERDICTS,
    Table,
)
from manifests.atomic import write_bytes
from manifests.gldv2_metadata import parse_ids
from manifests.lineage import digest_json
from manifests.parquet_io import read_table
from manifests.rows import ImageStatus
from manifests.strict_model import StrictModel
from pipelines.markers import output_digests, read_markers
from pipelines.storage import storage_errors

SCAN, JOIN, DESCRIBE, EMBED, CLEAN, EMIT = (
    "ingest.scan",
    "ingest.join",
    "describe",
    "embed",
    "clean",
    "emit",
)
_INPUT_OF = {
    SCAN: (),
    JOIN: (SCAN,),
    DESCRIBE: (JOIN,),
    EMBED: (JOIN,),
    CLEAN: (JOIN,),
    EMIT: (JOIN,),
}
LEDGER_STEPS = tuple(_INPUT_OF)
"""The steps that have an account."""
_MISSING = "missing.parquet"
_CLEAN, _LAST, _REMOVED = "gldv2_clean", "rgldv2_clean", "removed"
_FILE = "state/ledger.json"
_NUM_NAMED = 3


class LedgerError(ValueError):
    """Images were lost or doubled in a step; the message names them and the remedy."""


class Account(StrictModel):
    """What a step came to.

    Attributes:
        state: digest of what it was made from and what it wrote; another one makes it stale.
        num_in: images, or files, that went in.
        outcomes: how many of them came to what; `ok` or `kept`, or a reason.
    """

    state: str
    num_in: int = Field(ge=0)
    outcomes: dict[str, int]


_Accounts = TypeAdapter(dict[str, Account])
_Result = tuple[int, Counter[str]]
"""How many images went into a step, and what they came to."""


def check_step(run_dir: Path, step: str) -> None:
    """Compare what went into a finished step with what came out, unless that was done before.

    Args:
        run_dir: the run folder.
        step: name of the step; of those that do not handle images one by one there is no account.

    Raises:
        LedgerError: an image is missing in the output, or is there twice, or was never put in.
    """
    if step not in _INPUT_OF:
        return
    accounts = _read_all(run_dir)
    state = _digest_state(run_dir, step)
    if step in accounts and accounts[step].state == state:
        return
    num_in, outcomes = _CHECKS[step](_Parts(run_dir))
    if num_in != outcomes.total():
        raise LedgerError(
            f"{run_dir}: {num_in} images went into {step}, but {outcomes.total()} came out or have "
            f"a reason. {_remedy(run_dir, step)}"
        )
    accounts[step] = Account(state=state, num_in=num_in, outcomes=dict(sorted(outcomes.items())))
    with storage_errors(run_dir, "writing the ledger"):
        write_bytes(run_dir / _FILE, _Accounts.dump_json(accounts, indent=1) + b"\n")


def read_accounts(run_dir: Path) -> dict[str, Account]:
    """The accounts that hold for what the folder now has, by step."""
    return {
        step: account
        for step, account in _read_all(run_dir).items()
        if step in _INPUT_OF and account.state == _digest_state(run_dir, step)
    }


def _read_all(run_dir: Path) -> dict[str, Account]:
    try:
        return _Accounts.validate_json((run_dir / _FILE).read_bytes())
    except (FileNotFoundError, ValidationError):  # a damaged one is made again
        return {}


def _digest_state(run_dir: Path, step: str) -> str:
    return digest_json([output_digests(run_dir, name) for name in (*_INPUT_OF[step], step)])


@dataclass(frozen=True)
class _Parts:
    """Reads the parts of finished steps."""

    run_dir: Path

    def list_names(self, step: str, folder: str) -> list[str]:
        """File names of the parts that a step wrote into a folder."""
        paths = (Path(output) for output in output_digests(self.run_dir, step))
        return [p.name for p in paths if p.suffix == ".parquet" and p.parent == Path(folder)]

    def read(self, folder: str, name: str, table: Table, *columns: str) -> pa.Table:
        """Some columns of a part; a part that is not there has no rows."""
        path = self.run_dir / folder / name
        return read_table([path] if path.is_file() else [], table, list(columns))

    def read_ids(self, folder: str, name: str, table: Table) -> list[str]:
        """The ids of a part."""
        image_ids: list[str] = self.read(folder, name, table, "image_id")["image_id"].to_pylist()
        return image_ids

    def read_usable(self, name: str) -> list[str]:
        """Ids of the images of a shard that can be used."""
        images = self.read("images", name, IMAGES, "image_id", "status")
        return _select(images, "status", ImageStatus.OK)


def _check_scan(parts: _Parts) -> _Result:
    """Every file that the units counted has a row."""
    num_in, outcomes = 0, Counter[str]()
    for marker in read_markers(parts.run_dir, SCAN):
        num_in += marker.counts.get("files", 0)
        for output in marker.outputs:
            rows = parts.read("files", Path(output).name, FILES, "status")
            outcomes.update(rows["status"].to_pylist())
    return num_in, outcomes


def _check_join(parts: _Parts) -> _Result:
    """Every row of a shard has a row with its class; what no shard holds has one too."""
    num_in, outcomes = 0, Counter[str]()
    for name in parts.list_names(SCAN, "files"):
        files = parts.read_ids("files", name, FILES)
        images = parts.read("images", name, IMAGES, "image_id", "status")
        _compare(files, images["image_id"].to_pylist(), parts.run_dir, f"images/{name}", JOIN)
        num_in += len(files)
        outcomes.update(images["status"].to_pylist())
    outcomes.update(parts.read("images", _MISSING, IMAGES, "status")["status"].to_pylist())
    num_in += sum(marker.counts.get("missing", 0) for marker in read_markers(parts.run_dir, JOIN))
    return num_in, outcomes


def _check_described(parts: _Parts, folder: str, table: Table, step: str) -> _Result:
    """Every usable image has a row with its features, or its descriptor."""
    num_in, outcomes = 0, Counter[str]()
    for name in parts.list_names(JOIN, "images"):
        usable = parts.read_usable(name)
        rows = parts.read(folder, name, table, "image_id", "status")
        _compare(usable, rows["image_id"].to_pylist(), parts.run_dir, f"{folder}/{name}", step)
        num_in += len(usable)
        outcomes.update(rows["status"].to_pylist())
    return num_in, outcomes


def _check_clean(parts: _Parts) -> _Result:
    """Every usable image has one verdict."""
    outcomes: Counter[str] = Counter()
    usable = [_to_keys(parts.read_usable(name)) for name in parts.list_names(JOIN, "images")]
    judged = []
    for name in parts.list_names(CLEAN, "verdicts"):
        rows = parts.read("verdicts", name, VERDICTS, "image_id", "kept", "reason")
        judged.append(_to_keys(rows["image_id"]))
        outcomes.update(_name_outcomes(rows))
    wanted, found = _sort_all(usable), _sort_all(judged)
    if not np.array_equal(wanted, found):
        # Only now as text: it takes much more memory.
        _compare(_to_ids(wanted), _to_ids(found), parts.run_dir, "verdicts", CLEAN)
    return len(wanted), outcomes


def _check_emit(parts: _Parts) -> _Result:
    """Every row of a shard is in the last manifest, or among the removed, and in no other.

    The clean split holds both what is in the last manifest and what only the overlap removed.
    """
    num_in, outcomes = 0, Counter[str]()
    for name in parts.list_names(JOIN, "images"):
        images = parts.read_ids("images", name, IMAGES)
        last = parts.read_ids(f"manifests/{_LAST}", name, MANIFEST)
        clean = parts.read_ids(f"manifests/{_CLEAN}", name, MANIFEST)
        removed = parts.read(f"manifests/{_REMOVED}", name, REMOVED, "image_id", "stage", "reason")
        found = [*last, *removed["image_id"].to_pylist()]
        _compare(images, found, parts.run_dir, f"manifests/*/{name}", EMIT)
        in_both = [*last, *_select(removed, "stage", "overlap")]
        _compare(in_both, clean, parts.run_dir, f"manifests/{_CLEAN}/{name}", EMIT)
        num_in += len(images)
        outcomes["kept"] += len(last)
        reasons = zip(removed["stage"].to_pylist(), removed["reason"].to_pylist(), strict=True)
        outcomes.update(f"{stage}: {reason}" for stage, reason in reasons)
    return num_in, outcomes


_CHECKS: Mapping[str, Callable[[_Parts], _Result]] = {
    SCAN: _check_scan,
    JOIN: _check_join,
    DESCRIBE: partial(_check_described, folder="features", table=FEATURES, step=DESCRIBE),
    EMBED: partial(_check_described, folder="embeddings", table=EMBEDDINGS, step=EMBED),
    CLEAN: _check_clean,
    EMIT: _check_emit,
}


def _compare(wanted: list[str], found: list[str], run_dir: Path, part: str, step: str) -> None:
    """Raise unless both hold the same ids, each as often."""
    went_in, came_out = Counter(wanted), Counter(found)
    if went_in == came_out:
        return
    lost, surplus = went_in - came_out, came_out - went_in
    differences = [
        f"{count.total()} images {what} ({', '.join(sorted(count)[:_NUM_NAMED])})"
        for what, count in (("lost", lost), ("too many", surplus))
        if count
    ]
    raise LedgerError(f"{run_dir / part}: {' and '.join(differences)}. {_remedy(run_dir, step)}")


def _remedy(run_dir: Path, step: str) -> str:
    return (
        f"Delete {run_dir / 'state' / step} and run the same command again; if this comes back, "
        "it is a fault of this program: please report it"
    )


def _select(rows: pa.Table, column: str, value: str) -> list[str]:
    pairs = zip(rows["image_id"].to_pylist(), rows[column].to_pylist(), strict=True)
    return [image_id for image_id, found in pairs if found == value]


def _name_outcomes(verdicts: pa.Table) -> Iterator[str]:
    pairs = zip(verdicts["kept"].to_pylist(), verdicts["reason"].to_pylist(), strict=True)
    return ("kept" if kept else str(reason) for kept, reason in pairs)


def _to_keys(image_ids: list[str] | pa.ChunkedArray) -> NDArray[np.uint64]:
    """Ids of usable images as integers; all of them are ids, as train.csv lists them."""
    array = pa.array(image_ids, pa.string()) if isinstance(image_ids, list) else image_ids
    return parse_ids(array)[0]


def _to_ids(keys: NDArray[np.uint64]) -> list[str]:
    return [f"{key:016x}" for key in keys.tolist()]


def _sort_all(keys: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    return np.sort(np.concatenate([np.empty(0, np.uint64), *keys]))
