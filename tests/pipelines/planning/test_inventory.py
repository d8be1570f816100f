import numpy as np
import pytest
from gldv2_layout import image_id, write_lists, write_shard

from curation.shards import ShardError
from manifests.gldv2_csv import member_path
from pipelines.planning.errors import PlanningError
from pipelines.planning.inventory import take_inventory
from pipelines.planning.planner import make_plan
from pipelines.run_config import RunConfig

CLASS_OF = {image_id(n): 7 + n % 3 for n in range(12)}


def _write(root, shards):
    """Lists of twelve images, of which some lie in shards of nonsense."""
    write_lists(root, CLASS_OF, {}, {})
    for number, numbers in enumerate(shards):
        members = [(member_path(image_id(n)), b"no picture") for n in numbers]
        write_shard(root, f"images_{number:03d}", members)
    return root


def _config(root, **sections):
    source = {"root": root, **sections.pop("source", {})}
    return RunConfig.model_validate({"source": source, **sections})


def test_where_all_shards_are_here_files_and_classes_are_counted(tmp_path):
    found = take_inventory(_config(_write(tmp_path, [range(6), range(6, 11)])))
    assert found.is_exact
    assert (found.num_files, found.num_listed, found.shards.num_here) == (11, 12, 2)
    assert found.listed_sizes == {7: 4, 8: 4, 9: 3}
    assert found.located.image_ids == [image_id(n) for n in range(11)]


def test_files_that_no_list_names_are_read_and_belong_to_no_class(tmp_path):
    found = take_inventory(_config(_write(tmp_path, [[0, 1, 77]])))
    assert found.num_files == 3
    assert sum(found.listed_sizes.values()) == 2


def test_of_an_image_in_two_shards_one_counts(tmp_path):
    found = take_inventory(_config(_write(tmp_path, [[0, 1], [1, 2]])))
    assert (found.num_files, len(found.located)) == (4, 3)


def test_a_restriction_leaves_images_out_of_the_classes_and_not_out_of_the_files(tmp_path):
    _write(tmp_path, [range(12)])
    allowed = tmp_path / "allowed.csv"
    allowed.write_text(f"landmark_id,images\n7,{image_id(0)} {image_id(3)}\n8,{image_id(1)}\n")
    found = take_inventory(_config(tmp_path, source={"restrict_to": allowed}))
    assert found.num_files == 12
    assert found.listed_sizes == {7: 2, 8: 1}


def test_without_any_shard_the_whole_list_is_planned(tmp_path):
    found = take_inventory(_config(_write(tmp_path, [])))
    assert (found.num_files, found.present_share, found.is_exact) == (12, 1, False)
    assert "no shard is here" in found.notes[0]


def test_shards_to_come_are_counted_by_published_sizes(tmp_path):
    fetch = {"base_url": "https://mirror.invalid", "shards": "0-4"}
    found = take_inventory(_config(_write(tmp_path, [range(3)]), source={"fetch": fetch}))
    assert (found.shards.num_here, found.shards.num_to_come) == (1, 4)
    assert found.shards.to_come_bytes == pytest.approx(4e9, rel=1e-3)
    assert found.num_files == pytest.approx(3 + 4 * 12 / 500)


def test_a_fetch_of_all_shards_brings_all_images(tmp_path):
    fetch = {"base_url": "https://mirror.invalid"}
    config = _config(_write(tmp_path, []), source={"fetch": fetch}, prices={"gb_egress": 0.1})
    found = take_inventory(config)
    assert (found.shards.num_all, found.num_files, found.present_share) == (500, 12, 1)
    plan = make_plan(config, probe=False)
    step = plan.step("ingest.fetch")
    assert step.egress_bytes == pytest.approx(500e9, rel=1e-3)
    assert step.money.value == pytest.approx(step.egress_bytes / 1e9 * 0.1)
    assert step.wall_hours is None
    assert any(line.startswith("duration of ingest.fetch") for line in plan.unknown)


def test_of_many_shards_some_are_listed_and_the_others_taken_to_be_alike(tmp_path):
    config = _config(
        _write(tmp_path, [range(4), range(4, 8), range(8, 12)]),
        plan={"probe": {"max_shards": 2}},
    )
    found = take_inventory(config)
    assert [path.stem for path in found.located.shards] == ["images_000", "images_002"]
    assert not found.is_exact
    assert found.num_files == pytest.approx(12)
    assert np.sort(found.class_sizes).tolist() == [4, 4, 4]
    assert any("plan.probe.max_shards" in note for note in found.notes)


def test_a_damaged_shard_is_named(tmp_path):
    _write(tmp_path, [range(12)])
    shard = tmp_path / "train" / "images_000.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(ShardError, match=r"images_000\.tar"):
        take_inventory(_config(tmp_path))


def test_a_probe_needs_photographs(tmp_path):
    with pytest.raises(PlanningError, match="--no-probe"):
        make_plan(_config(_write(tmp_path, [])))


def test_a_probe_of_nothing_readable_says_what_failed(tmp_path):
    plan = make_plan(_config(_write(tmp_path, [range(12)])))
    assert any(line.startswith("embed.codebook: it failed on the probe") for line in plan.unknown)
    assert plan.data.images.value == 0
