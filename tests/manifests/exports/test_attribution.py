import pyarrow.parquet as pq
import pytest
from small_manifests import KEPT, LACKING, open_small_release

from manifests.exports.attribution import RIGHTS, write_attribution


@pytest.mark.parametrize("max_rows", [1, 3, 1000])
@pytest.mark.parametrize("num_policies", [1, 2])
def test_every_kept_image_has_its_rights_or_is_listed_as_lacking_them(
    tmp_path, max_rows, num_policies
):
    release = open_small_release(tmp_path)
    counts = write_attribution(tmp_path, [release] * num_policies, max_rows)
    rows = pq.read_table(tmp_path / "ATTRIBUTION.parquet").to_pylist()
    kept = sorted(image_id for ids in KEPT.values() for image_id in ids)
    assert [row["id"] for row in rows] == kept
    for row in rows:
        missing = LACKING.get(row["id"], set())
        assert {name for name in RIGHTS if row[name] is None} == missing
        assert set((row["lacks"] or "").split()) == missing
    assert (counts.num_images, counts.num_complete) == (len(kept), len(kept) - len(LACKING))
    assert counts.num_lacking == {"author": 2, "license": 1, "title": 1}
    assert "2 lack some of them (author 2, license 1, title 1)" in counts.describe()
