import crashing_probe
import pytest

from pipelines.planning import probe
from pipelines.planning.errors import PlanningError
from pipelines.planning.inventory import take_inventory


def test_a_photograph_that_kills_the_probe_is_told_apart(tiny_job, monkeypatch):
    monkeypatch.setattr(probe, "run_probe_job", crashing_probe.crash)
    with pytest.raises(PlanningError, match="was killed"):
        probe.run_probe(tiny_job, take_inventory(tiny_job))


def test_a_probe_leaves_the_data_and_the_working_folder_alone(tiny_job, tiny_plan, tiny_root):
    assert tiny_plan.probe.images == 17
    assert sorted(path.name for path in tiny_root.iterdir()) == [
        "eval", "md5sum", "metadata", "train",
    ]  # fmt: skip


def test_a_probe_says_what_it_measured(tiny_plan):
    measured = tiny_plan.probe
    assert measured.classes == measured.whole_classes > 1
    assert measured.pairs > 0
    assert measured.queries == 2
    assert not measured.is_cut


def test_the_sample_is_cut_to_what_the_time_allows():
    assert probe.count_affordable(1000, budget_seconds=1.0, seconds_each=0.01) == 100
    assert probe.count_affordable(50, budget_seconds=1.0, seconds_each=0.01) == 50
    assert probe.count_affordable(1000, budget_seconds=0.0, seconds_each=0.0) == 1000


def test_however_little_time_there_is_a_few_images_are_measured():
    assert probe.count_affordable(1000, budget_seconds=1e-9, seconds_each=0.01) == 20
    assert probe.count_affordable(10, budget_seconds=1e-9, seconds_each=0.01) == 10


def test_answers_on_pairs_of_the_whole_data_set_are_not_looked_for_in_a_sample(tiny_job, tmp_path):
    answers = tmp_path / "answers.csv"
    answers.write_text("image_id_a,image_id_b,answer\n" + f"{'0' * 16},{'1' * 16},same\n")
    clean = tiny_job.clean.model_copy(update={"answers": answers})
    config = tiny_job.model_copy(update={"clean": clean})
    assert probe.run_probe(config, take_inventory(config)).failures == {}
