"""The plan as a file: JSON with a version, complete enough to serve another plan as rates."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import ValidationError

from manifests.atomic import write_text
from manifests.strict_model import StrictModel
from pipelines.planning.amounts import Amount
from pipelines.planning.errors import PlanningError
from pipelines.planning.prices import PriceSettings
from pipelines.planning.rates import Rates

PLAN_VERSION = 1

StepStatus: TypeAlias = Literal["done", "partly done", "to do", "left out"]


class DataSummary(StrictModel):
    """What the job is given."""

    shards_here: int
    shards_to_come: int
    here_bytes: int
    """Size of the shards that are here."""
    to_come_bytes: int
    """What a fetch would bring, by published sizes."""
    is_counted: bool
    """Files and classes were counted in shards that are all here; else they are extrapolated."""
    listed_images: int
    """Rows of train.csv."""
    files: Amount
    images: Amount
    """Usable images."""
    classes: int
    paired_classes: int
    largest_class: int
    """Images of it."""
    pairs_bounds: tuple[float, float]
    """Fewest and most pairs that classes of these sizes can propose."""
    proposed_pairs: Amount
    pairs: Amount
    """Pairs that are put to the verifier."""
    queries: int


class ProbeSummary(StrictModel):
    """What was measured."""

    share: float
    seed: int
    images: int
    """Images that were drawn evenly."""
    class_images: int
    """Images of whole and thinned classes."""
    classes: int
    whole_classes: int
    """Of these, those of which no image was left out."""
    pairs: int
    queries: int
    seconds: float
    is_cut: bool
    """Fewer than the settings ask for, to keep to plan.probe.max_seconds."""


class PlannedStep(StrictModel):
    """What one step takes: figures without `spent_` and `written_` are of what is still to do."""

    name: str
    status: StepStatus
    unit: str
    """What an item is."""
    work: Amount
    """Items of the whole step."""
    num_units: int
    num_units_done: int
    core_hours: Amount | None
    """None where nobody knows."""
    gpu_hours: Amount | None
    """None for a step that needs no GPU."""
    wall_hours: Amount | None
    table: str | None
    """Folder of the run that it writes."""
    disk_bytes: Amount | None
    egress_bytes: float
    money: Amount | None
    spent_core_hours: float
    written_bytes: int
    peak_bytes: int | None
    """Most memory of a worker when it was measured; more data may need more."""
    source: Literal["probe", "config", "run", "published sizes", "nothing"]
    """Where the figures come from."""
    num_measured: float
    """Items that were measured."""


class PlanTotals(StrictModel):
    """All steps together, as far as they are known."""

    core_hours: Amount
    gpu_hours: Amount
    wall_hours: Amount
    """The steps one after the other."""
    reserved_core_hours: float
    """Workers times wall hours: what machines cost that are paid for idle cores too."""
    disk_bytes: Amount
    egress_bytes: float
    money: Amount | None
    spent_core_hours: float
    written_bytes: int
    peak_bytes: int | None


class Plan(StrictModel):
    """A whole plan."""

    plan_version: int = PLAN_VERSION
    code_version: str
    config_digest: str
    workers: int
    data: DataSummary
    probe: ProbeSummary | None
    steps: tuple[PlannedStep, ...]
    totals: PlanTotals
    prices: PriceSettings
    rates: Rates
    unknown: tuple[str, ...]
    """What nobody could know, and what that means for the figures."""
    notes: tuple[str, ...]
    """What was assumed."""
    advice: tuple[str, ...]
    """What takes most, and which settings would change it."""

    def step(self, name: str) -> PlannedStep:
        """The step of a name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def bytes_by_table(self) -> Mapping[str, float]:
        """Folder of the run -> bytes, written and still to write."""
        tables: defaultdict[str, float] = defaultdict(float)
        for step in self.steps:
            if step.table is not None:
                to_come = step.disk_bytes.value if step.disk_bytes else 0.0
                tables[step.table] += step.written_bytes + to_come
        return tables


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan, atomically."""
    write_text(path, plan.model_dump_json(indent=1) + "\n")


def read_rates(path: Path) -> Rates:
    """The rates of an earlier plan.

    Raises:
        PlanningError: the file is missing or holds no plan of this version.
    """
    try:
        return Plan.model_validate_json(path.read_bytes()).rates
    except OSError as error:
        raise PlanningError(f"{path}: not readable as a plan ({error})") from error
    except ValidationError as error:
        raise PlanningError(
            f"{path}: no plan of version {PLAN_VERSION}, as `cleanmark plan --out` writes it "
            f"({error.error_count()} faults); make it anew"
        ) from error
