"""Two lists of training images side by side: what differs, and why."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich import box
from rich.console import Console
from rich.table import Table

from manifests.arrow_schemas import DIFFERENCES
from manifests.image_lists import ImageList, read_image_list
from manifests.list_differences import CAUSES, Cause, compare_lists
from manifests.parquet_io import write_table
from manifests.reference.paper_contradictions import list_contradictions


def reconcile(
    path_a: Path,
    path_b: Path,
    console: Console,
    out: Path | None = None,
    *,
    show_contradictions: bool = False,
) -> pa.Table:
    """Compare two lists, print what differs, and write every difference.

    The contradictions of the paper on RGLDv2-clean are printed where its removed classes make a
    difference.

    Args:
        path_a: a list; see `manifests.image_lists.read_image_list`.
        path_b: another.
        console: where to print.
        out: Parquet file for the table `differences`, or None.
        show_contradictions: print them in any case.

    Returns:
        The table `differences`.
    """
    a, b = read_image_list(path_a), read_image_list(path_b)
    differences = compare_lists(a, b)
    if out is not None:
        write_table(out, DIFFERENCES, differences)
    _print_sizes(console, a, b, differences)
    if len(differences):
        _print_causes(console, differences)
    causes = differences["cause"].unique().to_pylist()
    if show_contradictions or Cause.PUBLISHED_OVERLAP in causes:
        print_contradictions(console)
    if out is not None:
        console.print(f"every difference: {out}", highlight=False, markup=False, soft_wrap=True)
    return differences


def print_contradictions(console: Console) -> None:
    """Where the paper that published the removed classes disagrees with itself."""
    console.print("The paper on RGLDv2-clean does not agree with itself:")
    for found in list_contradictions():
        text = f"  {found.title}. {found.details} We go by: {found.we_go_by}"
        console.print(text, highlight=False, markup=False)


def _print_sizes(console: Console, a: ImageList, b: ImageList, differences: pa.Table) -> None:
    table = Table("List", "read as", "images", "classes", "only here", box=box.SIMPLE_HEAD)
    for column in table.columns[2:]:
        column.justify = "right"
    for name, found, others in (("A", a, "label_b"), ("B", b, "label_a")):
        labels = found.images["label"]
        table.add_row(
            f"{name}  {found.path}",
            found.kind.value,
            f"{len(labels):,}",
            f"{pc.count_distinct(labels).as_py():,}",
            f"{differences[others].null_count:,}",
        )
    console.print(table)


def _print_causes(console: Console, differences: pa.Table) -> None:
    table = Table("Cause", "details", "images", "meaning", box=box.SIMPLE_HEAD)
    table.columns[2].justify = "right"
    rows = zip(*(differences[name].to_pylist() for name in ("cause", "details")), strict=True)
    for (cause, details), count in sorted(Counter(rows).items(), key=lambda item: -item[1]):
        table.add_row(cause, details or "", f"{count:,}", CAUSES[Cause(cause)])
    console.print(table)
