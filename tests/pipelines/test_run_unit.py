from dataclasses import dataclass

import cv2
import pytest
from pipelines_helpers import ToyStage, read_calls

from manifests.atomic import write_text
from manifests.lineage import digest_file
from pipelines.markers import read_marker
from pipelines.run_unit import one_thread, run_unit
from pipelines.units import UnitStatus


def test_a_done_unit_leaves_its_output_and_a_marker(tmp_path):
    stage = ToyStage(tmp_path, items={"u00": ["a", "b"]})
    unit = stage.unit("u00")
    report = run_unit(stage, tmp_path, unit)
    marker = read_marker(tmp_path, unit)
    output = tmp_path / "toys/u00.json"
    assert report == marker.as_report()
    assert report.status is UnitStatus.DONE
    assert report.counts == {"items": 2, "crashed": 0}
    assert marker.fingerprint == unit.fingerprint
    assert marker.outputs["toys/u00.json"].sha256 == digest_file(output)
    assert marker.outputs["toys/u00.json"].num_bytes == output.stat().st_size


def test_an_exception_becomes_a_failed_unit_with_its_reason(tmp_path):
    stage = ToyStage(tmp_path, behaviour={"u00": "raise"})
    report = run_unit(stage, tmp_path, stage.unit("u00"))
    assert report == read_marker(tmp_path, stage.unit("u00")).as_report()
    assert report.status is UnitStatus.FAILED
    assert report.error.splitlines()[0] == "ValueError: u00 is bad"
    assert "_behave" in report.error


@dataclass(frozen=True)
class HalfStage(ToyStage):
    """Writes the first of its two outputs, then behaves."""

    def unit(self, unit_id):
        first = super().unit(unit_id)
        return type(first)(
            first.stage, unit_id, first.spec, ("toys/a.json", "toys/b.json"), first.fingerprint
        )

    def run(self, unit, in_flight):
        write_text(self.run_dir / "toys/a.json", "{}")
        self._behave(unit.unit_id)
        return {}


@pytest.mark.parametrize(
    ("behaviour", "error"), [("raise", "u00 is bad"), ("", "toy/u00 did not write toys/b.json")]
)
def test_a_failed_unit_leaves_no_output(tmp_path, behaviour, error):
    stage = HalfStage(tmp_path, behaviour={"u00": behaviour})
    report = run_unit(stage, tmp_path, stage.unit("u00"))
    assert report.status is UnitStatus.FAILED
    assert error in report.error
    assert list((tmp_path / "toys").iterdir()) == []


def test_a_unit_that_fails_after_a_success_leaves_nothing_of_that(tmp_path):
    run_unit(ToyStage(tmp_path), tmp_path, ToyStage(tmp_path).unit("u00"))
    bad = ToyStage(tmp_path, setting=2, behaviour={"u00": "raise"})
    run_unit(bad, tmp_path, bad.unit("u00"))
    assert not (tmp_path / "toys/u00.json").exists()
    assert read_marker(tmp_path, bad.unit("u00")).outputs == {}


def test_a_unit_has_one_thread_and_the_caller_gets_its_own_back(tmp_path):
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        run_unit(ToyStage(tmp_path), tmp_path, ToyStage(tmp_path).unit("u00"))
        assert [threads for _, _, threads in read_calls(tmp_path)] == [1]
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_threads_come_back_after_an_exception():
    before = cv2.getNumThreads()
    with pytest.raises(ValueError, match="bad"), one_thread():
        raise ValueError("bad")
    assert cv2.getNumThreads() == before
