"""Print results of `bench_scale.py --queries` as Markdown: one column for each size of the stream.

.venv/bin/python benchmarks/tabulate_stream.py stream_10010.json stream_100100.json ...
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_scale import PLANNED_AGAIN

STEPS = {
    "overlap.queries": "listing and hashing",
    "overlap": "comparing",
    "emit": "emit",
    PLANNED_AGAIN: "a start with nothing to do",
}
MIB_PER_GIB = 1024

Result = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    results = [json.loads(path.read_text()) for path in parser.parse_args().results]
    print(describe(sorted(results, key=lambda result: int(result["queries"]))))


def describe(results: Sequence[Result]) -> str:
    """The table; of the ledger, what concerns queries."""
    rows = [["", *(f"{r['queries']:,}" for r in results)], ["---", *["---:"] * len(results)]]
    rows.append(["units", *(f"{_find(r, 'overlap')['units']:,}" for r in results)])
    for step, words in STEPS.items():
        rows.append(
            [f"{words}, CPU s", *(f"{_find(r, step)['cpu_seconds']:,.1f}" for r in results)]
        )
    for step, words in STEPS.items():
        peaks = (_find(r, step)["peak"]["pss_mib"] / MIB_PER_GIB for r in results)
        rows.append([f"{words}, peak GiB", *(f"{peak:.2f}" for peak in peaks)])
    for key in ("queries", "candidates"):
        rows.append([f"{key} in the ledger", *(f"{r['ledger'][key]:,}" for r in results)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _find(result: Result, step: str) -> Result:
    found: Result = next(entry for entry in result["steps"] if entry["step"] == step)
    return found


if __name__ == "__main__":
    main()
