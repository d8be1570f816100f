"""Refuse pipelines of which Beam's DaskRunner would silently lose something.

Of Beam 2.77's DaskRunner, measured: what a DoFn gives out when a bundle ends is dropped, tagged
outputs hold every element of every output, of several ends only one is computed, and a transform
that it does not know does nothing; each time the state is DONE. So what may pass is listed here,
and all else is refused before anything runs.
"""

from typing import Any

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.transforms.userstate import is_stateful_dofn

from pipelines.engines.engine import EngineError

_REPLACED_WHOLE = (beam.Create, beam.Reshuffle)
"""Composites in whose place the DaskRunner puts one of its own, whatever they are made of."""


class DaskShapeError(EngineError):
    """A pipeline that the DaskRunner would not run as it is written."""


def check_dask_pipeline(pipeline: beam.Pipeline) -> None:
    """Look at every transform of a pipeline, those inside composites included.

    Raises:
        DaskShapeError: naming the transform and what is wrong with it.
    """
    visitor = _AllowList()
    pipeline.visit(visitor)
    ends = visitor.produced.keys() - visitor.consumed
    if len(ends) != 1:
        names = ", ".join(sorted(str(visitor.produced[end]) for end in ends)) or "none"
        raise DaskShapeError(
            f"the DaskRunner computes one end of a pipeline; this one has {len(ends)}: {names}"
        )


class _AllowList(PipelineVisitor):
    """Raises at the first transform that is not allowed; collects what is produced and used."""

    def __init__(self) -> None:
        self.produced: dict[beam.pvalue.PValue, str] = {}
        self.consumed: set[beam.pvalue.PValue] = set()
        self._num_replaced_around = 0

    def enter_composite_transform(self, node: AppliedPTransform) -> None:
        if type(node.transform) in _REPLACED_WHOLE:
            self._num_replaced_around += 1

    def leave_composite_transform(self, node: AppliedPTransform) -> None:
        if type(node.transform) in _REPLACED_WHOLE:
            self._num_replaced_around -= 1

    def visit_transform(self, node: AppliedPTransform) -> None:
        self.produced.update((output, node.full_label) for output in node.outputs.values())
        self.consumed.update(node.inputs)
        self.consumed.update(side_input.pvalue for side_input in node.side_inputs)
        if not self._num_replaced_around and (fault := _find_fault(node)):
            raise DaskShapeError(
                f"transform {node.full_label!r}: {fault}; the DaskRunner would lose data silently"
            )


def _find_fault(node: AppliedPTransform) -> str | None:
    transform = node.transform
    # Exact types: the DaskRunner looks them up so, and ignores what derives from them.
    if type(transform) is beam.ParDo:
        return _find_fault_of_function(transform.fn, node)
    if type(transform) in (beam.GroupByKey, beam.Flatten):
        return None
    return f"{type(transform).__name__} is not one of Create, ParDo, GroupByKey, Flatten, Reshuffle"


def _find_fault_of_function(function: Any, node: AppliedPTransform) -> str | None:  # noqa: ANN401
    if set(node.outputs) - {None}:
        return "it has tagged outputs"
    if is_stateful_dofn(function):
        return "its function has state or timers"
    if type(function).finish_bundle is not beam.DoFn.finish_bundle:
        return "its function has a finish_bundle"
    return None
