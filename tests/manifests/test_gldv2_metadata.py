import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from manifests.gldv2_metadata import Lists, SortedTable, format_ids, parse_ids, read_lists

IDS = st.lists(st.integers(0, 2**64 - 1).map(lambda n: f"{n:016x}"), unique=True, max_size=40)


@given(IDS)
def test_ids_survive_the_way_to_integers_and_back(ids):
    keys, is_id = parse_ids(pa.array(ids, pa.string()))
    assert keys.tolist() == [int(i, 16) for i in ids]
    assert is_id.all()
    assert format_ids(keys).to_pylist() == ids


def test_what_is_no_id_is_said_to_be_none():
    texts = ["0123456789abcdef", "README.txt", "0123456789ABCDEF", None, "", "0" * 17]
    keys, is_id = parse_ids(pa.array(texts))
    assert is_id.tolist() == [True, False, False, False, False, False]
    assert keys[0] == 0x0123456789ABCDEF


def test_ids_in_slices_and_chunks():
    whole = pa.array([f"{n:016x}" for n in range(10)])
    keys, _ = parse_ids(pa.chunked_array([whole.slice(3, 2), whole.slice(7, 3)]))
    assert keys.tolist() == [3, 4, 7, 8, 9]
    assert parse_ids(whole.slice(4, 3))[0].tolist() == [4, 5, 6]


def _lists(listed, with_rights, names):
    train = pa.table(
        {
            "image_id": pa.array(listed, pa.string()),
            "url": pa.array([f"u-{i}" for i in listed], pa.string()),
            "landmark_id": pa.array([int(i, 16) % 7 for i in listed], pa.int64()),
        }
    )
    rights = pa.table(
        {
            name: pa.array([f"{name}-{i}" for i in with_rights], pa.string())
            for name in ("author", "license", "title")
        }
        | {"image_id": pa.array(with_rights, pa.string())}
    )
    return Lists(SortedTable.build(train), SortedTable.build(rights), names)


@given(IDS, st.data())
def test_look_up_agrees_with_dictionaries(ids, data):
    listed = [i for i in ids if data.draw(st.booleans())]
    with_rights = [i for i in ids if data.draw(st.booleans())]
    asked = [*data.draw(st.permutations(ids)), "README.txt"]
    names = {0: "Zero", 3: "Three"}
    rows = _lists(listed, with_rights, names).look_up(pa.array(asked, pa.string())).to_pylist()
    for image_id, row in zip(asked, rows, strict=True):
        landmark_id = int(image_id, 16) % 7 if image_id in listed else None
        assert row == {
            "landmark_id": landmark_id,
            "landmark_name": names.get(landmark_id),
            "source_url": f"u-{image_id}" if image_id in listed else None,
            "author": f"author-{image_id}" if image_id in with_rights else None,
            "license": f"license-{image_id}" if image_id in with_rights else None,
            "title": f"title-{image_id}" if image_id in with_rights else None,
        }


def test_without_rights_and_names_there_are_nulls(tmp_path):
    (tmp_path / "train.csv").write_text(f"id,url,landmark_id\n{'0' * 16},u,5\n")
    lists = read_lists(tmp_path / "train.csv", None, None)
    (row,) = lists.look_up(pa.array(["0" * 16])).to_pylist()
    assert (row["landmark_id"], row["source_url"]) == (5, "u")
    assert row["landmark_name"] is row["author"] is None


@given(IDS, st.data())
def test_unseen_is_what_is_listed_and_not_seen(ids, data):
    seen = [i for i in ids if data.draw(st.booleans())]
    unseen = _lists(ids, [], {}).list_unseen(parse_ids(pa.array(seen, pa.string()))[0])
    assert unseen.to_pylist() == sorted(set(ids) - set(seen))
