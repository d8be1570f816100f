"""The ledger must notice every loss: each is injected into a finished run, digests and all."""

import shutil
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stage_runs import STEP_OF_TABLE, Run
from tiny_run import confirm_overlap

from pipelines.ledger import LEDGER_STEPS, LedgerError, check_step, read_accounts
from pipelines.markers import describe_outputs, read_marker, read_markers, write_marker

TABLES = {
    "files": "ingest.scan",
    "images": "ingest.join",
    "features": "describe",
    "embeddings": "embed",
    "verdicts": "clean",
    "manifests/rgldv2_clean": "emit",
    "manifests/gldv2_clean": "emit",
    "manifests/removed": "emit",
}
LOSSES = {
    "dropped": lambda table, row: pa.concat_tables([table[:row], table[row + 1 :]]),
    "doubled": lambda table, row: pa.concat_tables([table, table[row : row + 1]]),
    "renamed": lambda table, row: _rename(table, row),
}


def _rename(table, row):
    ids = table["image_id"].to_pylist()
    ids[row] = "ffffffffffffffff"
    column = table.schema.get_field_index("image_id")
    return table.set_column(column, table.schema.field(column), pa.array(ids, pa.string()))


@pytest.fixture(scope="module")
def balanced(tiny_run, tmp_path_factory):
    """A run in which every stage has something to drop, and whose accounts are in order."""
    folder = tmp_path_factory.mktemp("ledger")
    shutil.copytree(tiny_run.run_dir, folder / "run")
    run = Run(tiny_run.config, folder / "run")
    confirm_overlap(run.run_dir, folder)
    run.finish()
    for step in LEDGER_STEPS:
        check_step(run.run_dir, step)
    return run


def _spoil(run_dir, step, folder, spoil, number):
    """Change a row of a part that has any; the marker then vouches for the changed bytes."""
    paths = [
        p for p in sorted((run_dir / folder).glob("*.parquet")) if pq.read_metadata(p).num_rows
    ]
    path = paths[number % len(paths)]
    table = pq.read_table(path)
    pq.write_table(spoil(table, number % len(table)), path, store_schema=True)
    return path


def _vouch(run, step):
    """Let the markers of a step carry the digests of what is now there."""
    units = {unit.unit_id: unit for unit in run.step(step).plan()}
    for marker in read_markers(run.run_dir, step):
        unit = units[marker.unit_id]
        outputs = describe_outputs(run.run_dir, replace(unit, outputs=tuple(marker.outputs)))
        write_marker(run.run_dir, unit, marker.model_copy(update={"outputs": outputs}))


def test_a_sound_run_balances(balanced):
    accounts = read_accounts(balanced.run_dir)
    assert tuple(accounts) == LEDGER_STEPS
    for account in accounts.values():
        assert account.num_in == sum(account.outcomes.values())
    assert accounts["emit"].num_in == len(balanced.rows("images"))
    assert accounts["emit"].outcomes["kept"] == len(balanced.manifest_rows("rgldv2_clean"))
    removed = Counter(f"{r['stage']}: {r['reason']}" for r in balanced.manifest_rows("removed"))
    outcomes = accounts["emit"].outcomes
    assert {name: count for name, count in outcomes.items() if name != "kept"} == removed
    assert any(name.startswith("overlap: ") for name in removed)
    assert accounts["ingest.scan"].outcomes == {"not_an_image": 1, "ok": 15, "truncated": 1}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.sampled_from(sorted(TABLES)), st.sampled_from(sorted(LOSSES)), st.integers(0, 1000))
def test_every_loss_is_noticed(balanced, tmp_path_factory, folder, loss, number):
    run_dir = tmp_path_factory.mktemp("spoilt") / "run"
    shutil.copytree(balanced.run_dir, run_dir)
    run, step = Run(balanced.config, run_dir), TABLES[folder]
    path = _spoil(run_dir, step, folder, LOSSES[loss], number)
    _vouch(run, step)
    if (folder, loss) == ("files", "renamed"):
        step = "ingest.join"  # the tar alone knows the names; the next step has them from here
    with pytest.raises(LedgerError, match=r"Delete .* and run the same command again") as failure:
        check_step(run_dir, step)
    assert str(run_dir) in str(failure.value)
    with pytest.raises(LedgerError):  # not recorded as checked
        check_step(run_dir, step)
    assert path.exists()


def test_a_checked_step_is_not_read_again_until_it_changes(balanced, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(balanced.run_dir, run_dir)
    for path in (run_dir / "features").glob("*.parquet"):
        path.unlink()
    check_step(run_dir, "describe")
    marker = read_marker(run_dir, balanced.step("describe").plan()[0])
    outputs = {
        name: file.model_copy(update={"sha256": "0"}) for name, file in marker.outputs.items()
    }
    changed = marker.model_copy(update={"outputs": outputs})
    write_marker(run_dir, balanced.step("describe").plan()[0], changed)
    assert "describe" not in read_accounts(run_dir)
    with pytest.raises(LedgerError, match="images lost"):
        check_step(run_dir, "describe")


@pytest.mark.parametrize("content", [b"", b"{", b'{"emit": 3}'])
def test_a_damaged_ledger_is_made_again(balanced, tmp_path, content):
    run_dir = tmp_path / "run"
    shutil.copytree(balanced.run_dir, run_dir)
    before = (run_dir / "state/ledger.json").read_bytes()
    (run_dir / "state/ledger.json").write_bytes(content)
    assert read_accounts(run_dir) == {}
    for step in LEDGER_STEPS:
        check_step(run_dir, step)
    assert (run_dir / "state/ledger.json").read_bytes() == before


def test_steps_without_images_have_no_account(balanced):
    others = set(STEP_OF_TABLE.values()) - set(LEDGER_STEPS)
    before = (balanced.run_dir / "state/ledger.json").read_bytes()
    for step in sorted(others):
        check_step(balanced.run_dir, step)
    assert (balanced.run_dir / "state/ledger.json").read_bytes() == before
