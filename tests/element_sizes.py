"""Measures every element of every collection in the pipelines of a job."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.coders import registry
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

from pipelines.engines.engine import run_to_end
from pipelines.engines.workstation import Workstation
from pipelines.units import Stage, Unit


@dataclass(frozen=True)
class MeasuringWorkstation:
    """The workstation, with a scale at every collection that its pipelines have."""

    workstation: Workstation
    log: Path

    @property
    def description(self) -> str:
        return self.workstation.description

    def run(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> None:
        pipeline = self.workstation.build(stage, units, run_dir)
        found = _Collections()
        pipeline.visit(found)
        for number, (label, collection) in enumerate(found.collections.items()):
            scale = _Scale(label, registry.get_coder(collection.element_type), self.log)
            collection | f"Scale {number}" >> beam.ParDo(scale)
        run_to_end(pipeline)


def read_sizes(log: Path) -> dict[str, list[int]]:
    """Encoded bytes of each element, by the transform that made it."""
    sizes = defaultdict(list)
    for line in log.read_text().splitlines():
        label, _, num_bytes = line.rpartition(" ")
        sizes[label].append(int(num_bytes))
    return dict(sizes)


class _Collections(PipelineVisitor):
    def __init__(self) -> None:
        self.collections: dict[str, beam.pvalue.PCollection] = {}

    def visit_transform(self, node: AppliedPTransform) -> None:
        for tag, collection in node.outputs.items():
            self.collections[f"{node.full_label}[{tag}]"] = collection


class _Scale(beam.DoFn):
    def __init__(self, label: str, coder: Any, log: Path) -> None:
        self._label = label
        self._coder = coder
        self._log = log

    def process(self, element: Any) -> Iterator[None]:
        with self._log.open("a") as log:
            log.write(f"{self._label} {len(self._coder.encode(element))}\n")
        return iter(())
