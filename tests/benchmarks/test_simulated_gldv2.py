import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from simulated_gldv2.class_sizes import NUM_CLASSES, NUM_IMAGES, draw_class_sizes
from simulated_gldv2.inputs import NUM_QUERIES, write_inputs
from simulated_gldv2.judging import SimulatedJudge
from simulated_gldv2.ledger import check_ledger, check_queries
from simulated_gldv2.world import (
    SHARE_NOT_DISTRACTING,
    World,
    describe_distractor,
    is_distractor,
)
from tabulate_stream import describe

from manifests.arrow_schemas import CANDIDATES
from manifests.feature_store import FeatureStore
from manifests.gldv2_metadata import format_ids
from manifests.id_arrays import pack_ids
from manifests.parquet_io import read_table, write_table
from pipelines.settings import VerifySettings

SCRIPT = Path(__file__).parents[2] / "benchmarks/bench_scale.py"


def test_class_sizes_have_gldv2_s_totals_and_tail():
    sizes = draw_class_sizes(1.0)
    assert (len(sizes), sizes.sum()) == (NUM_CLASSES, NUM_IMAGES)
    assert abs((sizes <= 10).mean() - 0.57) < 0.01
    assert abs((sizes <= 5).mean() - 0.38) < 0.01
    assert sizes[0] == 10_000
    assert sizes.min() == 1


@pytest.mark.parametrize("fraction", [0.001, 0.01, 0.1])
def test_a_fraction_has_its_share_of_images_and_classes(fraction):
    sizes = draw_class_sizes(fraction)
    assert len(sizes) == round(NUM_CLASSES * fraction)
    assert sizes.sum() == round(NUM_IMAGES * fraction)


def test_an_id_leads_back_to_its_image():
    world = World(0.001)
    numbers = np.arange(world.num_images)
    keys = world.keys(numbers)
    assert len(np.unique(keys)) == len(keys)
    assert np.array_equal(world.numbers(keys), numbers)


def test_every_image_lies_in_one_shard():
    world = World(0.004)
    shards = [world.list_shard(shard) for shard in range(world.num_shards)]
    assert len(shards) == 2
    assert sorted(np.concatenate(shards)) == list(range(world.num_images))


def test_images_of_one_place_are_nearer_than_others_of_the_class():
    world = World(0.001)
    numbers = np.arange(int(world.class_sizes[0]))
    vectors = world.descriptors(numbers).astype(np.float32)
    places = world.places(world.sources(numbers))
    is_same = places[:, None] == places
    np.fill_diagonal(is_same, val=False)
    similarities = vectors @ vectors.T
    assert similarities[is_same].mean() > similarities[~is_same].mean() + 0.2


def test_the_judge_gives_the_same_answer_for_a_pair_whatever_comes_with_it():
    world = World(0.001)
    ids = pack_ids(format_ids(world.keys(np.arange(60))))
    first, second = np.triu_indices(60, 1)
    judge, nothing = SimulatedJudge(world), FeatureStore([])
    together = judge(nothing, ids[first], ids[second], VerifySettings())
    alone = judge(nothing, ids[first[7:8]], ids[second[7:8]], VerifySettings())
    assert together.slice(7, 1).to_pylist() == alone.to_pylist()
    assert set(together["verdict"].to_pylist()) >= {"verified", "rejected"}


def _check_that_a_lost_query_is_noticed(folder):
    config = write_inputs(folder / "source", World(0.0005), 30)
    (folder / "source/stream/0000/query_0000030.jpg").write_bytes(b"one more")
    with pytest.raises(ValueError, match="171 queries came in, 170 were compared"):
        check_queries(folder / "run", config)
    candidates = folder / "run/candidates/stream-000.parquet"
    write_table(candidates, CANDIDATES, read_table(candidates, CANDIDATES).slice(1))
    with pytest.raises(ValueError, match="a query has not the 5 candidates"):
        check_queries(folder / "run", config)


def test_distractors_are_nearer_to_nothing_than_images_of_a_place_to_each_other():
    world = World(0.001)
    vectors = world.descriptors(np.arange(world.num_images)).astype(np.float32)
    distractor = describe_distractor(7).astype(np.float32)
    assert np.linalg.norm(distractor) == pytest.approx(1, abs=1e-3)
    similarities = vectors @ vectors[0]
    same = world.places(np.arange(world.num_images)) == world.places(np.array([0]))
    assert (vectors @ distractor).max() < similarities[same].mean()
    share = np.mean([is_distractor(number) for number in range(2000)])
    assert share == pytest.approx(1 - SHARE_NOT_DISTRACTING, abs=0.01)


def test_a_whole_job_runs_on_it_and_loses_nothing(tmp_path):
    command = [
        sys.executable,
        SCRIPT,
        "--fraction",
        "0.0005",
        "--folder",
        tmp_path,
        "--workers",
        "1",
        "--queries",
        "30",
    ]
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True)
    measured = json.loads(done.stdout)
    ledger = measured["ledger"]
    assert ledger["ingested"] == measured["images"] == ledger["kept"] + ledger["removed"]
    assert ledger["kept"] > 0
    assert ledger["queries"] == 30 + 2 * NUM_QUERIES
    assert ledger["candidates"] >= 5 * ledger["queries"]
    assert f"| queries in the ledger | {ledger['queries']} |" in describe([measured]).splitlines()
    _check_that_a_lost_query_is_noticed(tmp_path)
    (tmp_path / "run/manifests/removed/images_000.parquet").write_bytes(
        next((tmp_path / "run/manifests/removed").glob("missing.parquet")).read_bytes()
    )
    with pytest.raises(ValueError, match="not the same ones"):
        check_ledger(tmp_path / "run")
