"""Draw the cost curve from results of `bench_scale.py`, and print its figures as Markdown.

.venv/bin/python benchmarks/plot_scale.py scale01.json scale03.json ... --out docs/scale.png
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")
import matplotlib.pyplot as plt
from bench_scale import MEASURED_FROM
from matplotlib.axes import Axes

TOTAL = "all steps"
FIXED_SECONDS = 3.0
"""What a step takes for starting workers; shorter measurements say nothing of its growth."""
LIMIT_GIB = 8
MIB_PER_GIB, MILLION = 1024, 1e6
_ROOM_FOR_LEGEND = 12

Result = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    results = [json.loads(path.read_text()) for path in arguments.results]
    results.sort(key=lambda result: float(result["images"]))
    draw(results, arguments.out)
    print(describe(results))


def list_steps(result: Result) -> dict[str, Result]:
    """The measured steps that had work, by name."""
    steps = {step["step"]: step for step in result["steps"]}
    names = list(steps)
    own = names[names.index(MEASURED_FROM) :]
    return {name: steps[name] for name in own if steps[name]["units"]}


def collect_seconds(results: Sequence[Result]) -> dict[str, list[float]]:
    """Processor seconds of each step, and of all together, by size."""
    names = list(list_steps(results[0]))
    seconds = {name: [list_steps(r)[name]["cpu_seconds"] for r in results] for name in names}
    return seconds | {TOTAL: [result["cpu_seconds"] for result in results]}


def fit_exponent(images: Sequence[float], seconds: Sequence[float]) -> float | None:
    """The slope of time against size, both as logarithms; None with fewer than two points."""
    points = [(n, s) for n, s in zip(images, seconds, strict=True) if s >= FIXED_SECONDS]
    if len(points) < 2:
        return None
    logs = np.log(np.array(points))
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def draw(results: Sequence[Result], path: Path) -> None:
    images = [result["images"] for result in results]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    _draw_seconds(left, images, collect_seconds(results))
    _draw_memory(right, images, results)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def _draw_seconds(axes: Axes, images: Sequence[float], seconds: dict[str, list[float]]) -> None:
    for name, values in seconds.items():
        style = {"color": "black", "linewidth": 2.0} if name == TOTAL else {"linewidth": 1.0}
        axes.loglog(images, values, marker="o", markersize=3, label=name, **style)
    total = seconds[TOTAL]
    linear = [total[-1] * n / images[-1] for n in images]
    axes.loglog(images, linear, linestyle=":", color="grey", label="linear")
    axes.set(xlabel="images", ylabel="processor seconds", title="Time")
    axes.set_ylim(top=_ROOM_FOR_LEGEND * total[-1])
    axes.legend(fontsize=7, loc="upper left", ncols=3)


def _draw_memory(axes: Axes, images: Sequence[float], results: Sequence[Result]) -> None:
    for key, label in (("peak_pss_mib", "all"), ("peak_anonymous_mib", "without mapped files")):
        gib = [result[key] / MIB_PER_GIB for result in results]
        axes.plot([n / MILLION for n in images], gib, marker="o", markersize=3, label=label)
    axes.axhline(LIMIT_GIB, linestyle=":", color="grey", label="limit")
    axes.set(xlabel="million images", ylabel="GiB, all processes together", title="Peak memory")
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.legend(fontsize=7)


def describe(results: Sequence[Result]) -> str:
    """A table: one row per step, one column per size, and the exponent."""
    sizes = [f"{result['fraction']:.0%}" for result in results]
    images = [result["images"] for result in results]
    rows = [["", *sizes, "exponent"], ["---", *["---:"] * (len(sizes) + 1)]]
    rows.append(["images", *(f"{n:,}" for n in images), ""])
    pairs = (list_steps(result)[MEASURED_FROM]["counts"]["pairs"] for result in results)
    rows.append(["pairs", *(f"{n:,}" for n in pairs), ""])
    for name, seconds in collect_seconds(results).items():
        exponent = fit_exponent(images, seconds)
        shown = "" if exponent is None else f"{exponent:.2f}"
        rows.append([f"{name}, CPU s", *(f"{s:,.0f}" for s in seconds), shown])
    rows.append(["wall, min", *(f"{r['seconds'] / 60:.1f}" for r in results), ""])
    for key, label in (("peak_pss_mib", "peak, GiB"), ("peak_anonymous_mib", "of it anonymous")):
        rows.append([label, *(f"{r[key] / MIB_PER_GIB:.2f}" for r in results), ""])
    for key in ("ingested", "kept", "removed"):
        rows.append([key, *(f"{r['ledger'][key]:,}" for r in results), ""])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
