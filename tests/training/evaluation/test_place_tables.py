import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.input_error import InputError
from training.evaluation.place_tables import PlaceSettings, find_positives, read_places

# The toy of the field: 25 m count, for the query at 0 as for the one at 50.
_DATABASE = "query_id,path,east_m,north_m\n" + "".join(
    f"d{i},d{i}.jpg,{x},0\n" for i, x in enumerate([0, 10, 24.9, 25, 25.1, 100])
)
_QUERIES = "query_id,path,east_m,north_m\nq0,a.jpg,0,0\nq1,b.jpg,50,0\nq2,c.jpg,1000,0\n"


def write(path, text):
    path.write_text(text)
    return read_places(path)


def test_places_within_25_metres(tmp_path):
    queries, database = write(tmp_path / "q.csv", _QUERIES), write(tmp_path / "d.csv", _DATABASE)
    positives, rule = find_positives(queries, database, PlaceSettings())
    assert [found.tolist() for found in positives] == [[0, 1, 2, 3], [3, 4], []]
    assert rule == "distance"
    nearer, _ = find_positives(queries, database, PlaceSettings(radius_m=10))
    assert nearer[0].tolist() == [0, 1]


def test_headings_count_where_they_are_asked_for(tmp_path):
    header = "query_id,path,east_m,north_m,heading_degrees\n"
    queries = write(tmp_path / "q.csv", header + "q,q.jpg,0,0,350\n")
    database = write(tmp_path / "d.csv", header + "a,a.jpg,1,0,20\nb,b.jpg,1,0,60\n")
    settings = PlaceSettings(max_turn_degrees=40)
    positives, rule = find_positives(queries, database, settings)
    assert (positives[0].tolist(), rule) == ([0], "heading")
    assert find_positives(queries, database, PlaceSettings())[0][0].tolist() == [0, 1]


def test_frames(tmp_path):
    path = tmp_path / "frames.parquet"
    pq.write_table(pa.table({"query_id": ["a", "b"], "path": ["a", "b"], "frame": [3, 14]}), path)
    places = read_places(path)
    positives, rule = find_positives(places, places, PlaceSettings())
    assert ([found.tolist() for found in positives], rule) == ([[0], [1]], "frame")
    wider, _ = find_positives(places, places, PlaceSettings(max_frames=11))
    assert np.array_equal(wider[0], [0, 1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query_id,path\nq,q.jpg\n", "recall needs east_m and north_m"),
        ("query_id,path,east_m,north_m\nq,q.jpg,0,\n", "row 1: north_m is missing"),
        ("query_id,path,east_m,north_m\nq,q.jpg,0,west\n", "column north_m"),
    ],
)
def test_tables_without_places_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "table.csv", text)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv"):
        read_places(tmp_path / "gone.csv")


def test_tables_that_do_not_fit_each_other_are_refused(tmp_path):
    places = write(tmp_path / "q.csv", _QUERIES)
    frames = write(tmp_path / "f.csv", "query_id,path,frame\nf,f.jpg,3\n")
    with pytest.raises(InputError, match="the same columns"):
        find_positives(places, frames, PlaceSettings())
    with pytest.raises(InputError, match="no column heading_degrees"):
        find_positives(places, places, PlaceSettings(max_turn_degrees=40))
