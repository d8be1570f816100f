"""A small training list and evaluation set for audits, and audits run in this process.

Every landmark is a drawn wall. The training set has three classes of three views each. The
evaluation set `walls` has two queries of two other walls, each with two more photographs in its
database; `leak` adds a view of the first of these walls to class 20.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from gldv2_layout import image_id, write_lists, write_shard
from tiny_run import draw_view, encode_jpeg

from manifests.gldv2_csv import member_path
from pipelines.audit.certify import AuditOutcome, certify
from pipelines.audit.folder import WORK_FOLDER, write_audit_config
from pipelines.audit.job import build_audit_steps
from pipelines.audit.settings import AuditConfig, load_audit
from pipelines.audit.training_list import read_training_list
from pipelines.markers import pending, prune
from pipelines.run_unit import run_unit
from pipelines.units import UnitStatus

CLASSES = (10, 20, 30)
VIEWS = 3
LEAK_ID = image_id(77)
LEAK_CLASS = 20
QUERIES = ("north", "south")
SMALL = (
    "describe.long_side_px=420",
    "describe.max_features=500",
    "embed.num_words=8",
    "embed.dimensions=16",
    "overlap.top_k=30",
    "runner.workers=1",
    "canaries.per_kind=2",
    "canaries.controls_per_kind=2",
    "gate.min_recall=0.3",
    "gate.max_false_accept_rate=0.7",
)
"""Settings for few and small photographs; two canaries of two found prove a recall of 34 %."""

_WALL_OF_QUERY = {"north": 131, "south": 132}


def draw_photographs(*, leak: bool = False) -> dict[str, tuple[int, bytes]]:
    """Image id -> class and bytes of the file."""
    photographs = {}
    for number, landmark_id in enumerate(CLASSES):
        for view in range(VIEWS):
            data = encode_jpeg(draw_view(100 + number, view + 1))
            photographs[image_id(10 * landmark_id + view)] = (landmark_id, data)
    if leak:
        photographs[LEAK_ID] = (LEAK_CLASS, encode_jpeg(draw_view(_WALL_OF_QUERY["north"], 5)))
    return photographs


def write_class_folders(root: Path, photographs: dict[str, tuple[int, bytes]]) -> Path:
    """Write the photographs into a folder for each class, whose label is text; return the folder.

    An image is called by its path then, such as ``class 20/4d.jpg``.
    """
    for image, (landmark_id, data) in photographs.items():
        path = root / f"class {landmark_id}" / f"{image.lstrip('0')}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_gldv2(root: Path, photographs: dict[str, tuple[int, bytes]]) -> Path:
    """Write the photographs as shards and lists of GLDv2; return train.csv."""
    ids = sorted(photographs)
    for number, shard in enumerate((ids[::2], ids[1::2])):
        members = [(member_path(i), photographs[i][1]) for i in shard]
        write_shard(root, f"images_{number:03d}", members)
    write_lists(root, {i: photographs[i][0] for i in ids}, {}, {})
    return root / "metadata" / "train.csv"


def write_evaluation_set(folder: Path) -> Path:
    """Write the evaluation set; return its YAML file."""
    images = folder / "jpg"
    images.mkdir(parents=True)
    database, truths = [], []
    for query, wall in _WALL_OF_QUERY.items():
        (images / f"{query}.jpg").write_bytes(encode_jpeg(draw_view(wall, 7)))
        names = [f"{query}_{view}" for view in (1, 2)]
        for view, name in enumerate(names, start=1):
            (images / f"{name}.jpg").write_bytes(encode_jpeg(draw_view(wall, view)))
        first = len(database)
        database += names
        box = [20, 20, 400, 300]
        truths.append({"bbx": box, "easy": [first], "hard": [first + 1], "junk": []})
    content = {"imlist": database, "qimlist": list(QUERIES), "gnd": truths}
    (folder / "gnd.json").write_text(json.dumps(content))
    yaml = folder / "walls.yaml"
    yaml.write_text("name: walls\nimages: jpg\nground_truth: gnd.json\n")
    return yaml


@dataclass(frozen=True)
class World:
    """A data set in GLDv2's layout, its list and an evaluation set."""

    root: Path
    train: Path
    against: Path

    def configure(self, *overrides: str, train: Path | None = None, photos: Path | None = None):
        """An audit of the world's list, or of another one."""
        photos = self.root if train is None else photos
        return load_audit(train or self.train, [self.against], photos, [*SMALL, *overrides])


def write_world(folder: Path, *, leak: bool = False) -> World:
    root = folder / "gldv2"
    train = write_gldv2(root, draw_photographs(leak=leak))
    return World(root, train, write_evaluation_set(folder / "eval"))


def run_audit_here(config: AuditConfig, out: Path, decisions: Path | None = None) -> AuditOutcome:
    """Audit without workers.

    Raises:
        AssertionError: a unit failed.
    """
    work_dir = out / WORK_FOLDER
    write_audit_config(work_dir, config)
    run_steps_here(config, work_dir)
    return certify(config, work_dir, out, decisions)


def run_steps_here(config: AuditConfig, work_dir: Path, until: str = "overlap") -> dict[str, int]:
    """Run what is pending, up to a step; return the number of units run, by step."""
    read_training_list.cache_clear()
    num_run = {}
    for step in build_audit_steps(config, work_dir):
        units = step.plan()
        prune(work_dir, step.name, units)
        waiting = pending(work_dir, units)
        reports = [run_unit(step, work_dir, unit) for unit in waiting]
        failed = [report for report in reports if report.status is UnitStatus.FAILED]
        assert not failed, failed
        num_run[step.name] = len(waiting)
        if step.name == until:
            break
    return num_run
