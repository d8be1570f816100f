"""What a plan could not know, what it assumed, and what would make the job cheaper."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from pipelines.planning.inventory import Inventory
from pipelines.planning.plan_file import PlannedStep
from pipelines.planning.prices import Consumption, list_unpriced
from pipelines.planning.probe import ProbeFindings
from pipelines.planning.rates import Rates
from pipelines.planning.steps import (
    DESCRIBE,
    DUPLICATES,
    EMBED,
    FETCH,
    INDEX,
    OVERLAP,
    SCAN,
    VERIFY,
)
from pipelines.run_config import RunConfig

_MAIN_SHARE = 0.25
_BY_TIME: Mapping[str, str] = {
    SCAN: "it reads every file once; source.check_md5: false leaves out the checksums",
    DESCRIBE: "describe.long_side_px and describe.max_features decide the time of an image",
    EMBED: "a GPU, embed.network.inference.precision, or fewer embed.network.inference.scales",
    VERIFY: (
        "verify.skip_settled_pairs leaves out pairs that change nothing of what is kept; "
        "verify.budget gives up on images that fail, as an approximation; "
        "verify.num_neighbours bounds the pairs of large classes"
    ),
    DUPLICATES: "duplicates.max_hash_bits and duplicates.num_neighbours decide what is compared",
    OVERLAP: "overlap.top_k decides how many images each query is compared with",
}
_BY_DISK: Mapping[str, str] = {
    FETCH: "source.fetch.shards fetches a part of the shards",
    DESCRIBE: "describe.max_features decides the size of an image's features",
    VERIFY: "verify.skip_settled_pairs leaves no row of the pairs it skips",
}


def list_unknown(
    config: RunConfig,
    inventory: Inventory,
    steps: Sequence[PlannedStep],
    failures: Mapping[str, str],
) -> Iterator[str]:
    """What nobody could know, a line each."""
    for name, reason in failures.items():
        yield f"{name}: it failed on the probe, and the steps after it were not measured ({reason})"
    pending = [step for step in steps if step.status not in ("done", "left out")]
    yield from _list_unmeasured(pending)
    if inventory.shards.num_unsized:
        yield f"size of {inventory.shards.num_unsized} lists to come, which nobody publishes"
    if any(step.name == DUPLICATES for step in pending):
        yield (
            f"{DUPLICATES}: pairs across classes with near hashes, of which a sample holds few; "
            "counted as looking the hashes up"
        )
    if any(step.name == INDEX for step in pending):
        yield f"{INDEX}: pairs with the index split; counted as reading and decoding its shards"
    yield (
        "memory of a worker beyond the sample: tables of all images are larger on the whole data "
        "set"
    )
    yield "waiting for disks and for other programs, starting of workers, and failed units"
    if config.embed.used_network is None:
        return
    if not any(step.name == EMBED and step.gpu_hours for step in steps):
        yield "GPU-hours: no GPU was measured or given, so that the network is counted on cores"


def _list_unmeasured(steps: Sequence[PlannedStep]) -> Iterator[str]:
    """Steps without figures, one line for all that lack the same; totals count them as nothing."""
    lacking: defaultdict[str, list[str]] = defaultdict(list)
    for step in steps:
        figures = {
            "processor time": step.core_hours,
            "duration": step.wall_hours,
            "disk": step.disk_bytes,
        }
        missing = [name for name, amount in figures.items() if amount is None]
        if missing:
            lacking[", ".join(missing)].append(step.name)
    for missing_figures, names in lacking.items():
        yield f"{missing_figures} of {', '.join(names)}: counted as nothing"


def list_notes(
    config: RunConfig, inventory: Inventory, rates: Rates, findings: ProbeFindings | None
) -> Iterator[str]:
    """What was assumed, a line each."""
    yield from inventory.notes
    if findings is not None and findings.is_cut:
        yield (
            f"the probe measured {findings.num_images} and {findings.num_class_images} images, "
            f"not {findings.wanted_images} each, to keep to plan.probe.max_seconds"
        )
    if findings is None and rates.config_digest not in (None, config.digest):
        yield (
            "the rates were measured with other settings: rates of steps whose settings differ do "
            "not hold"
        )
    if config.verify.skip_settled_pairs or not config.verify.budget.is_off:
        yield _explain_left_out(rates)
    yield "hours are of cores that do nothing else; idle cores are in reserved_core_hours"
    yield (
        "intervals hold what sampling leaves open (95 %); steps measured as a whole, once, are "
        "taken to be right within a half"
    )


def advise(config: RunConfig, steps: Sequence[PlannedStep]) -> Iterator[str]:
    """What takes most of time and disk, and what would change it, a line each."""
    hours = {step.name: step.core_hours.value for step in steps if step.core_hours}
    for name, share in _list_main(hours):
        yield _say("processor time", name, share, _BY_TIME)
    disk = {step.name: step.disk_bytes.value for step in steps if step.disk_bytes}
    for name, share in _list_main(disk):
        yield _say("disk", name, share, _BY_DISK)
    taken = Consumption(
        sum(hours.values()),
        sum(step.gpu_hours.value for step in steps if step.gpu_hours),
        sum(disk.values()),
        sum(step.egress_bytes for step in steps),
    )
    if missing := list_unpriced(taken, config.prices):
        yield f"money leaves out what has no price: {', '.join(missing)}"


def _explain_left_out(rates: Rates) -> str:
    if rates.config_digest is None:
        return "how many pairs are left out is not known: planned as if none were"
    return (
        "pairs that are left out depend on whole classes; from thinned ones, each image is taken "
        "to ask for as many pairs as in the sample"
    )


def _list_main(amounts: Mapping[str, float]) -> list[tuple[str, float]]:
    total = sum(amounts.values())
    shares = {name: amount / total for name, amount in amounts.items()} if total else {}
    main = [(name, share) for name, share in shares.items() if share >= _MAIN_SHARE]
    return sorted(main, key=lambda item: -item[1])


def _say(what: str, name: str, share: float, hints: Mapping[str, str]) -> str:
    hint = f": {hints[name]}" if name in hints else ""
    return f"{name} takes {100 * share:.0f} % of the {what}{hint}"
