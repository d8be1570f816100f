import numpy as np

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from training.bootstrap import BootstrapSettings
from training.evaluate import EvaluationSettings, evaluate_set
from training.evaluation.records import (
    EvaluationRecord,
    SetRecord,
    list_libraries,
    read_record,
    write_record,
)


def make_record():
    queries = (EvaluationQuery("q", "q", hard=(1,)),)
    evaluation_set = EvaluationSet("set", ("a", "b"), queries)
    settings = EvaluationSettings(bootstrap=BootstrapSettings(num_resamples=100))
    result = evaluate_set(evaluation_set, np.ones((1, 2)), np.eye(2), settings=settings)
    found = SetRecord(
        name="set",
        inputs={"ground_truth": "0" * 64},
        num_queries=1,
        num_database=2,
        unreadable={"b": "truncated"},
        overlapping=("q",),
        revisited=result,
    )
    return EvaluationRecord(
        method="ours",
        libraries=list_libraries(),
        describer={"kind": "file"},
        settings={"scales": [0.5, 1.0]},
        sets=(found,),
    )


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    record = make_record()
    write_record(tmp_path / "results.json", record)
    again = read_record(tmp_path / "results.json")
    assert again == record
    easy, _, hard = again.sets[0].revisited.protocols
    assert easy.average_precisions == {"q": None}
    assert list(hard.all_queries.mean_precisions) == [1, 5, 10]


def test_equal_records_are_equal_bytes(tmp_path):
    for name in ("a.json", "b.json"):
        write_record(tmp_path / name, make_record())
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
