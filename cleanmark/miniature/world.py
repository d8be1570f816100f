"""Builds the miniature: decides on a cast, takes its pictures, writes them down."""

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cleanmark.miniature import layout
from cleanmark.miniature.cast import Cast
from cleanmark.miniature.planting import choose_cast
from cleanmark.miniature.settings import MiniatureSettings
from cleanmark.miniature.studio import Print, take_all

CODE_VERSION = 1  # raise it when the same settings give other pictures
SEAL_NAME = "miniature.json"


@dataclass(frozen=True)
class MiniatureSummary:
    """What a miniature holds.

    Attributes:
        num_images: Training and evaluation pictures, broken ones included.
        num_classes: Training classes.
        num_queries: Evaluation queries.
        num_bytes: Size of all its files but the seal.
        planted: Number of training pictures per kind of plant.
    """

    num_images: int
    num_classes: int
    num_queries: int
    num_bytes: int
    planted: dict[str, int]


def build_miniature(
    out: Path,
    settings: MiniatureSettings = MiniatureSettings(),  # noqa: B008 (it is immutable)
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> MiniatureSummary:
    """Build the miniature data set in a folder, or find it there from before.

    The folder appears whole or not at all, and its bytes depend on the settings alone.

    Args:
        out: The folder; absent, empty, or an earlier result.
        settings: Seed and size.
        workers: Processes that draw.
        progress: Called with the number of pictures done and of all.

    Returns:
        What the folder holds.

    Raises:
        FileExistsError: The folder holds something else, or a miniature of other settings.
        ValueError: `workers` is not positive.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; give at least 1")
    if out.exists() and any(out.iterdir()):
        return _read_seal(out, settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        summary = _build(unfinished, settings, workers, progress)
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return summary


def _build(
    root: Path,
    settings: MiniatureSettings,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> MiniatureSummary:
    root.mkdir()
    cast = choose_cast(settings)
    shots = [*cast.train, *cast.queries, *cast.database]
    prints = take_all(shots, settings, workers=workers, progress=progress)
    _write_all(root, cast, prints, settings)
    summary = MiniatureSummary(
        num_images=len(shots),
        num_classes=len(cast.classes),
        num_queries=len(cast.queries),
        num_bytes=sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
        planted=_count_plants(cast),
    )
    seal = {
        "code_version": CODE_VERSION,
        "settings": settings.model_dump(),
        "summary": asdict(summary),
    }
    (root / SEAL_NAME).write_text(json.dumps(seal, indent=1) + "\n")
    return summary


def _write_all(
    root: Path, cast: Cast, prints: dict[str, Print], settings: MiniatureSettings
) -> None:
    files = {name: print_.content for name, print_ in prints.items()}
    boxes = {name: print_.subject_box for name, print_ in prints.items()}
    train = {shot.name: files[shot.name] for shot in cast.train}
    layout.write_train_shards(root, train, settings.num_shards)
    layout.write_metadata(root, cast, settings.seed)
    layout.write_truth(root, cast)
    layout.write_evaluation(root, cast, files, boxes)


def _count_plants(cast: Cast) -> dict[str, int]:
    """Count plants by kind: the phrase without the names in it."""
    kinds = (shot.planted.split(" of ")[0] for shot in cast.train if shot.planted)
    return dict(sorted(Counter(kinds).items()))


def _read_seal(out: Path, settings: MiniatureSettings) -> MiniatureSummary:
    """Recognise a finished miniature of the same settings."""
    path = out / SEAL_NAME
    if not path.is_file():
        raise FileExistsError(
            f"{out} is not empty and holds no finished miniature ({SEAL_NAME} is missing); "
            "give another folder or empty this one"
        )
    seal = json.loads(path.read_text())
    found = {"code_version": seal.get("code_version"), "settings": seal.get("settings")}
    wanted = {"code_version": CODE_VERSION, "settings": settings.model_dump()}
    if found != wanted:
        raise FileExistsError(
            f"{path} describes another miniature ({found}, wanted {wanted}); "
            "give another folder or delete this one"
        )
    return MiniatureSummary(**seal["summary"])
