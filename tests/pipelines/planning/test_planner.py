import math

import pytest
from gldv2_layout import image_id, write_lists
from tiny_run import tiny_config

from manifests.input_error import InputError
from pipelines.markers import read_markers, tally
from pipelines.planning.amounts import Amount
from pipelines.planning.errors import PlanningError
from pipelines.planning.plan_file import Plan, read_rates, write_plan
from pipelines.planning.planner import make_plan

STEPS = (
    "ingest.scan", "ingest.join", "describe", "embed.codebook", "embed", "verify", "clean",
    "clean.calibrate", "clean.uncertain", "clean.duplicates", "overlap.queries", "overlap",
    "emit",
)  # fmt: skip


def _counts(run_dir, step):
    return tally(read_markers(run_dir, step)).counts


def _with(config, **sections):
    return type(config).model_validate(config.model_dump(mode="json") | sections)


def test_images_and_pairs_of_a_probe_that_takes_all_in_are_those_of_the_run(
    tiny_plan, finished_run
):
    assert tiny_plan.data.is_counted
    assert tiny_plan.data.files.value == _counts(finished_run, "ingest.scan")["files"]
    assert tiny_plan.data.images == Amount.exact(_counts(finished_run, "ingest.join")["usable"])
    assert tiny_plan.data.pairs.value == _counts(finished_run, "verify")["pairs"]
    assert tiny_plan.data.queries == 2


def test_every_step_is_planned_with_what_it_works_on(tiny_plan, finished_run):
    planned = {step.name: step for step in tiny_plan.steps if step.status == "to do"}
    assert tuple(planned) == STEPS
    assert planned["describe"].work.value == _counts(finished_run, "describe")["images"]
    training = _counts(finished_run, "embed.codebook")["training_images"]
    assert planned["embed.codebook"].work.value == training
    assert all(step.core_hours.value > 0 for step in planned.values())
    assert all(step.disk_bytes.value > 0 for step in planned.values())


def test_tables_are_those_that_the_run_writes(tiny_plan, finished_run):
    written = {path.name for path in finished_run.iterdir() if path.is_dir()}
    assert set(tiny_plan.bytes_by_table) == written - {"state"}


def test_disk_is_near_the_truth_even_of_a_tiny_run(tiny_plan, finished_run):
    files = [path for path in finished_run.rglob("*") if path.is_file()]
    features = sum(path.stat().st_size for path in files if path.parent.name == "features")
    assert tiny_plan.step("describe").disk_bytes.value == pytest.approx(features, rel=0.25)


def test_totals_are_sums(tiny_plan):
    steps, totals = tiny_plan.steps, tiny_plan.totals
    for name in ("core_hours", "disk_bytes", "money"):
        values = [getattr(step, name).value for step in steps]
        assert getattr(totals, name).value == pytest.approx(math.fsum(values))
    assert totals.core_hours.low <= totals.core_hours.value <= totals.core_hours.high
    assert totals.reserved_core_hours == pytest.approx(totals.wall_hours.value)


def test_money_is_work_at_its_prices(tiny_plan):
    step = tiny_plan.step("describe")
    cost = 2.0 * step.core_hours.value + 3.0 * step.disk_bytes.value / 1e9
    assert step.money.value == pytest.approx(cost)


def test_without_prices_there_is_no_money(tiny_job, tiny_plan):
    plan = make_plan(_with(tiny_job, prices={}), rates=tiny_plan.rates)
    assert plan.totals.money is None
    assert all(step.money is None for step in plan.steps)


def test_a_plan_is_read_back_as_it_was_written(tiny_plan, tmp_path):
    write_plan(tmp_path / "plan.json", tiny_plan)
    text = (tmp_path / "plan.json").read_text()
    assert Plan.model_validate_json(text) == tiny_plan
    assert read_rates(tmp_path / "plan.json") == tiny_plan.rates


def test_rates_of_an_earlier_plan_stand_for_a_probe(tiny_job, tiny_plan):
    plan = make_plan(tiny_job, rates=tiny_plan.rates)
    assert plan.probe is None
    assert plan.step("describe").core_hours.value > 0
    assert plan.totals.core_hours.value == pytest.approx(tiny_plan.totals.core_hours.value, rel=0.3)


def test_rates_of_other_settings_are_noted(tiny_job, tiny_plan):
    other = _with(tiny_job, describe={"long_side_px": 200})
    assert any("other settings" in note for note in make_plan(other, rates=tiny_plan.rates).notes)
    assert not any(
        "other settings" in note for note in make_plan(tiny_job, rates=tiny_plan.rates).notes
    )


def test_a_finished_run_leaves_nothing_to_do(tiny_job, tiny_plan, finished_run):
    plan = make_plan(tiny_job, rates=tiny_plan.rates, run_dir=finished_run)
    assert {step.status for step in plan.steps} == {"done", "left out"}
    assert plan.totals.core_hours.value == 0
    assert plan.totals.disk_bytes.value == 0
    spent = [m.cpu_seconds for step in STEPS for m in read_markers(finished_run, step)]
    assert plan.totals.spent_core_hours == pytest.approx(sum(spent) / 3600)
    assert plan.data.pairs.value == _counts(finished_run, "verify")["pairs"]


def test_what_a_run_has_not_done_is_planned_with_what_it_measured(tiny_job, finished_run):
    changed = _with(tiny_job, verify={"max_ratio": 0.85, "schedule": {"min_units": 2}})
    plan = make_plan(changed, probe=False, run_dir=finished_run)
    status = {step.name: step.status for step in plan.steps}
    assert (status["describe"], status["embed"], status["verify"]) == ("done", "done", "to do")
    assert plan.step("describe").core_hours.value == 0
    assert plan.data.pairs.value == _counts(finished_run, "verify")["pairs"]
    assert any("verify" in line for line in plan.unknown)


def test_from_lists_alone_images_and_pairs_are_bounded_and_hours_unknown(tiny_job):
    plan = make_plan(tiny_job, probe=False)
    assert plan.probe is None
    assert plan.data.files.value == 17
    assert plan.data.pairs_bounds[1] == 32
    assert plan.data.proposed_pairs.low < 32 < 1.01 * plan.data.proposed_pairs.high
    assert plan.step("describe").core_hours is None
    assert any("describe" in line for line in plan.unknown)


def test_figures_of_the_configuration_replace_measured_ones(tiny_job, tiny_plan):
    rates = {"describe_seconds_per_image": 36.0, "features_bytes_per_image": 1000.0}
    plan = make_plan(_with(tiny_job, plan={"rates": rates}), rates=tiny_plan.rates)
    step = plan.step("describe")
    assert step.source == "config"
    assert step.core_hours.value == pytest.approx(step.work.value / 100)
    assert step.disk_bytes.value == pytest.approx(1000 * step.work.value)


def test_gpu_hours_are_those_of_the_network(tiny_job, tiny_plan, tmp_path):
    (tmp_path / "network.pth").write_bytes(b"never loaded by a plan without a probe")
    embed = {"method": "network", "network": {"checkpoint": tmp_path / "network.pth"}}
    rates = {"embed_gpu_seconds_per_image": 7.2, "embed_seconds_per_image": 1.0}
    prices = {"gpu_hour": 10.0}
    config = _with(tiny_job, embed=embed, plan={"rates": rates}, prices=prices)
    plan = make_plan(config, rates=tiny_plan.rates)
    assert plan.totals.gpu_hours.value == pytest.approx(plan.data.images.value * 7.2 / 3600)
    assert plan.totals.money.value == pytest.approx(10 * plan.totals.gpu_hours.value)
    assert plan.step("embed").wall_hours == plan.step("embed").gpu_hours
    assert plan.step("embed.codebook").status == "left out"


def test_more_workers_take_less_time_and_the_same_work(tiny_job, tiny_plan):
    two = make_plan(_with(tiny_job, runner={"workers": 2}), rates=tiny_plan.rates)
    one = make_plan(tiny_job, rates=tiny_plan.rates)
    assert two.totals.core_hours == one.totals.core_hours
    describe = two.step("describe")
    assert describe.wall_hours.value == pytest.approx(describe.core_hours.value / 2)
    assert two.step("emit").wall_hours == one.step("emit").wall_hours


def test_twice_the_classes_take_twice_the_work(tiny_job, tiny_plan, tmp_path):
    def plan_classes(name, count):
        class_of = {image_id(n): n // 5 for n in range(5 * count)}
        write_lists(tmp_path / name, class_of, {}, {})
        source = {"root": tmp_path / name}
        config = _with(tiny_job, source=source, evaluation_sets=[], runner={"workers": 3})
        return make_plan(config, rates=tiny_plan.rates)

    once, twice = plan_classes("once", 2000), plan_classes("twice", 4000)
    assert twice.data.pairs.value == pytest.approx(2 * once.data.pairs.value)
    for name in ("describe", "verify", "embed"):
        for quantity in ("core_hours", "disk_bytes", "wall_hours"):
            less, more = (getattr(plan.step(name), quantity).value for plan in (once, twice))
            assert more == pytest.approx(2 * less, rel=0.05)


def test_what_is_compared_with_every_image_grows_with_the_square(tiny_job, tiny_plan, tmp_path):
    rates = tiny_plan.rates.model_copy(
        update={"near_hash_seconds_per_pair": 1e-3, "search_seconds_per_image": 1.0}
    )
    duplicates, overlap = [], []
    for count in (2000, 4000):
        class_of = {image_id(n): n // 5 for n in range(count)}
        write_lists(tmp_path / str(count), class_of, {}, {})
        plan = make_plan(_with(tiny_job, source={"root": tmp_path / str(count)}), rates=rates)
        duplicates.append(plan.step("clean.duplicates").core_hours.value)
        overlap.append(plan.step("overlap").core_hours.value)
    assert duplicates[1] == pytest.approx(4 * duplicates[0], rel=0.01)
    assert overlap[1] == pytest.approx(2 * overlap[0], rel=0.01)


def test_skipped_pairs_are_not_planned_as_verified(tiny_root, tiny_plan):
    config = tiny_config(tiny_root, verify={"skip_settled_pairs": True})
    plan = make_plan(config)
    assert plan.data.proposed_pairs == tiny_plan.data.proposed_pairs
    assert plan.data.pairs.value < plan.data.proposed_pairs.value
    assert any("left out depend on whole classes" in note for note in plan.notes)


def test_a_folder_without_lists_is_bad_input(tiny_job, tmp_path):
    config = _with(tiny_job, source={"root": tmp_path}, evaluation_sets=[])
    with pytest.raises(PlanningError, match=r"train\.csv: no such file"):
        make_plan(config)


def test_a_file_that_is_no_plan_is_bad_input(tmp_path):
    (tmp_path / "plan.json").write_text('{"plan_version": 1}')
    with pytest.raises(InputError, match="make it anew"):
        read_rates(tmp_path / "plan.json")
    with pytest.raises(InputError, match="not readable"):
        read_rates(tmp_path / "none.json")


def test_a_folder_that_is_no_run_is_bad_input(tiny_job, tmp_path):
    with pytest.raises(InputError, match="no run folder"):
        make_plan(tiny_job, probe=False, run_dir=tmp_path)
