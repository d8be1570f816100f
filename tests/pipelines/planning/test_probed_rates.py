import pytest
from tiny_run import tiny_config

from pipelines.planning.measuring import MeasuredUnits
from pipelines.planning.pair_counts import count_pairs
from pipelines.planning.probe import ProbeFindings
from pipelines.planning.probe_jobs import JobFindings, ProbedClass
from pipelines.planning.probed_rates import derive_rates
from pipelines.planning.sampling import SampledClass, find_strata

SMALL, LARGE = 8, 400
"""Sizes of the two kinds of classes, and below what a pair of each takes."""
CHEAP, DEAR = 0.001, 0.004


def _probed(landmark_id, num_images, num_pairs, seconds, k=100, asked=1.0):
    return ProbedClass(
        landmark_id, num_images, k, num_pairs, round(asked * num_pairs), asked * num_pairs * seconds
    )


def _sampled(landmark_id, size, taken):
    return SampledClass(landmark_id, size, int(find_strata(size)), tuple(range(taken)))


def _find(steps=None, tiny=None, classes=(), sampled=(), num_features=()):
    verify = MeasuredUnits(1, 1.0, 0.0, {"pairs": 10}, {"matches": 1000}, (), 7)
    return ProbeFindings(
        tiny=JobFindings(steps=tiny or {}),
        images=JobFindings(steps=steps or {}, num_features=num_features),
        classes=JobFindings(steps={"verify": verify}, classes=classes),
        sampled=sampled,
        num_images=10,
        num_class_images=10,
        seconds=1.0,
        wanted_images=10,
        is_cut=False,
    )


def _derive(findings, sizes, tmp_path):
    return derive_rates(findings, sizes, tiny_config(tmp_path, with_evaluation_set=False))


def _two_kinds(asked=1.0):
    sampled = [_sampled(1, SMALL, SMALL), _sampled(2, SMALL, SMALL), _sampled(3, LARGE, 40)]
    classes = [
        _probed(1, SMALL, 28, CHEAP, asked=asked),
        _probed(2, SMALL, 28, CHEAP, asked=asked),
        _probed(3, 40, 300, DEAR, k=10, asked=asked),
    ]
    return _find(classes=classes, sampled=sampled)


def test_pairs_of_small_and_large_classes_weigh_as_in_the_whole_data_set(tmp_path):
    many_small, one_large = [SMALL] * 50, [LARGE]
    rates = _derive(_two_kinds(), many_small + one_large, tmp_path)
    small = count_pairs(many_small, 100, 0.5).sum()
    large = count_pairs(one_large, 100, rates.mutual.value).sum()
    expected = (small * CHEAP + large * DEAR) / (small + large)
    assert rates.steps["verify"].cpu_seconds.value == pytest.approx(expected)
    assert rates.steps["verify"].num_measured == 356


def test_only_classes_that_are_there_weigh(tmp_path):
    rates = _derive(_two_kinds(), [SMALL] * 50, tmp_path)
    assert rates.steps["verify"].cpu_seconds.value == pytest.approx(CHEAP)


def test_of_a_thinned_class_that_leaves_pairs_out_the_whole_one_leaves_out_more(tmp_path):
    whole = _derive(_two_kinds(asked=0.5), [SMALL] * 50, tmp_path).asked
    thinned = _derive(_two_kinds(asked=0.5), [LARGE] * 5, tmp_path).asked  # all thinned to 40
    assert whole.value == pytest.approx(0.5)
    assert thinned.value == pytest.approx(0.5 * 40 / LARGE)


def test_what_an_item_takes_is_told_from_what_a_unit_takes(tmp_path):
    def embedded(count):
        seconds, num_bytes = 0.5 + 0.01 * count, 4000 + 300 * count
        return {"embed": MeasuredUnits(1, seconds, 0.0, {"images": count}, {"e": num_bytes})}

    rate = _derive(_find(embedded(200), embedded(20)), [SMALL], tmp_path).steps["embed"]
    assert rate.cpu_seconds.value == pytest.approx(0.01)
    assert rate.unit_cpu_seconds == pytest.approx(0.5)
    assert rate.table_bytes.value == pytest.approx(300)
    assert rate.unit_table_bytes == pytest.approx(4000)


def test_a_table_that_does_not_grow_has_no_bytes_for_an_item(tmp_path):
    def embedded(count):
        return {"embed": MeasuredUnits(1, 1.0, 0.0, {"images": count}, {"e": 2058})}

    rate = _derive(_find(embedded(200), embedded(20)), [SMALL], tmp_path).steps["embed"]
    assert (rate.table_bytes.value, rate.unit_table_bytes) == (0, 2058)


def test_without_a_smaller_job_everything_is_the_items(tmp_path):
    step = MeasuredUnits(1, 2.0, 0.0, {"images": 100}, {"e": 500})
    rate = _derive(_find({"embed": step}), [SMALL], tmp_path).steps["embed"]
    assert rate.cpu_seconds.value == pytest.approx(0.02)
    assert rate.unit_cpu_seconds == pytest.approx(0, abs=1e-12)


def test_steps_measured_item_by_item_have_the_interval_of_their_items(tmp_path):
    items = [0.01, 0.03] * 50
    step = MeasuredUnits(1, 2.5, 0.0, {"images": 100}, {"features": 13_600_000}, items)
    findings = _find({"describe": step}, num_features=[500, 1500] * 50)
    rate = _derive(findings, [SMALL], tmp_path).steps["describe"]
    assert rate.cpu_seconds.value == pytest.approx(0.02)
    assert 0.017 < rate.cpu_seconds.low < 0.02 < rate.cpu_seconds.high < 0.023
    assert rate.unit_cpu_seconds == pytest.approx(0.5)
    assert rate.table_bytes.value == pytest.approx(136_000)
    assert rate.table_bytes.low < 135_000


def test_a_step_that_holds_a_gpu_has_its_time(tmp_path):
    step = MeasuredUnits(1, 2.0, 5.0, {"images": 100}, {"embeddings": 500})
    rate = _derive(_find({"embed": step}), [SMALL], tmp_path).steps["embed"]
    assert rate.gpu_seconds.value == pytest.approx(0.05)


def test_a_codebook_is_as_large_whatever_it_was_learned_from(tmp_path):
    counts = {"training_images": 100, "dimensions": 50}
    step = MeasuredUnits(1, 2.0, 0.0, counts, {"embeddings": 800})
    rates = _derive(_find({"embed.codebook": step}), [SMALL], tmp_path)
    assert rates.steps["embed.codebook"].table_bytes.value == 0
    assert rates.steps["embed.codebook"].unit_table_bytes == 800
    assert rates.dimensions == 50


def test_a_step_with_nothing_to_do_costs_its_units(tmp_path):
    step = MeasuredUnits(2, 0.4, 0.0, {"images": 0}, {"embeddings": 600})
    rate = _derive(_find({"embed": step}), [SMALL], tmp_path).steps["embed"]
    assert rate.cpu_seconds.value == 0
    assert (rate.unit_cpu_seconds, rate.unit_table_bytes) == (0.2, 300)
