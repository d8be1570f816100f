import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.memory_budget import (
    LARGEST_SEARCH_BYTES,
    SMALLEST_SEARCH_BYTES,
    MemoryBudget,
    find_machine_bytes,
    parse_size,
)
from pipelines.run_config import RunConfig
from pipelines.settings import RunnerSettings


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [("8GiB", 8 * 2**30), ("500 MiB", 500 * 2**20), ("1.5GiB", 3 * 2**29), ("2TiB", 2**41)],
)
def test_sizes_are_written_with_their_unit(text, num_bytes):
    assert parse_size(text) == num_bytes
    assert RunnerSettings(max_memory=text, workers=3).memory == MemoryBudget(num_bytes, 3)


@pytest.mark.parametrize("text", ["8", "8GB", "-1GiB", "0GiB", "GiB", "much"])
def test_what_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="8GiB"):
        RunnerSettings(max_memory=text)


@given(st.integers(1, 2**45), st.integers(1, 256))
def test_the_searches_of_all_workers_fit_into_the_budget(total_bytes, num_workers):
    search_bytes = MemoryBudget(total_bytes, num_workers).search_bytes
    assert SMALLEST_SEARCH_BYTES <= search_bytes <= LARGEST_SEARCH_BYTES
    fits = num_workers * search_bytes <= total_bytes
    assert fits or search_bytes == SMALLEST_SEARCH_BYTES


def test_a_container_s_limit_counts_where_it_is_the_lower_one(tmp_path):
    machine = find_machine_bytes(())
    limit, unlimited, missing = (tmp_path / name for name in ("limit", "unlimited", "missing"))
    limit.write_text(f"{2**28}\n")
    unlimited.write_text("max\n")
    assert find_machine_bytes((unlimited, missing)) == machine
    assert find_machine_bytes((limit, missing)) == min(machine, 2**28)


def test_by_default_a_job_takes_half_of_what_there_is():
    assert RunnerSettings(workers=1).memory.total_bytes == find_machine_bytes() // 2


def test_the_budget_is_no_part_of_what_decides_the_result(tmp_path):
    digests = {
        RunConfig.model_validate(
            {"source": {"root": tmp_path}, "runner": {"max_memory": size}}
        ).digest
        for size in ("1GiB", "64GiB")
    }
    assert len(digests) == 1
