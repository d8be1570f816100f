"""Ground truth of evaluation sets: the real files, attacks, and every inconsistency."""

import copy
import json
import os
import pickle
import subprocess

import numpy as np
import pytest

from manifests.evaluation_sets import (
    EvaluationQuery,
    GroundTruthError,
    find_image,
    read_ground_truth,
)

CONTENT = {
    "imlist": ["db_0", "db_1", "db_2", "db_3"],
    "qimlist": ["query_a", "query_b"],
    "gnd": [
        {"bbx": [1, 2.5, 30, 40], "easy": [0], "hard": [2], "junk": []},
        {"bbx": [0, 0, 10, 10], "easy": [], "hard": [3, 1], "junk": [0]},
    ],
}


@pytest.fixture
def content():
    return copy.deepcopy(CONTENT)


@pytest.fixture
def save(tmp_path):
    def make(value, suffix=".json"):
        path = tmp_path / f"gnd{suffix}"
        path.write_bytes(json.dumps(value).encode() if suffix == ".json" else pickle.dumps(value))
        return path

    return make


@pytest.mark.parametrize("suffix", [".json", ".pkl"])
def test_both_forms_read_the_same(save, content, suffix):
    toy = read_ground_truth(save(content, suffix), "toy")
    assert toy.name == "toy"
    assert toy.database == ("db_0", "db_1", "db_2", "db_3")
    assert toy.queries == (
        EvaluationQuery("query_a", "query_a", (1.0, 2.5, 30.0, 40.0), (0,), (2,), ()),
        EvaluationQuery("query_b", "query_b", (0.0, 0.0, 10.0, 10.0), (), (3, 1), (0,)),
    )


class Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_cannot_run_code(tmp_path, content, protocol):
    victim = tmp_path / "victim"
    victim.touch()
    content["gnd"][0]["easy"] = [Attack(os.remove, str(victim))]
    path = tmp_path / "gnd.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(GroundTruthError, match=r"refused.*asks for \w+\.remove.*as JSON"):
        read_ground_truth(path, "toy")
    assert victim.exists()


@pytest.mark.parametrize(
    "attack", [Attack(subprocess.run, ["true"]), Attack(eval, "1"), np.arange(3), np.float64(1)]
)
def test_no_global_at_all_is_allowed(save, content, attack):
    content["gnd"][0]["bbx"] = attack
    with pytest.raises(GroundTruthError, match=r"refused.*asks for"):
        read_ground_truth(save(content, ".pkl"), "toy")


@pytest.mark.parametrize(
    "data", [b"", b"garbage", pickle.dumps(CONTENT)[:-9], b"P1\n.", b"\x80\x63"]
)
def test_a_broken_pickle_is_refused(tmp_path, data):
    path = tmp_path / "gnd.pkl"
    path.write_bytes(data)
    with pytest.raises(GroundTruthError, match=r"gnd\.pkl: refused"):
        read_ground_truth(path, "toy")


def test_broken_json_a_missing_file_and_another_format_are_named(tmp_path):
    (tmp_path / "gnd.json").write_text("{")
    for name, complaint in [
        ("gnd.json", "not JSON"),
        ("absent.pkl", "No such file"),
        ("gnd.mat", "not a .pkl or .json file"),
    ]:
        with pytest.raises(GroundTruthError, match=complaint):
            read_ground_truth(tmp_path / name, "toy")


def set_field(key, value):
    def change(content):
        content["gnd"][1][key] = value

    return change


CHANGES = {
    "lacks qimlist": lambda content: content.pop("qimlist"),
    "query 'query_b' lacks bbx": lambda content: content["gnd"][1].pop("bbx"),
    "query 'query_b' lacks easy, hard": lambda content: content["gnd"].__setitem__(
        1, {"bbx": [0, 0, 1, 1], "ok": [], "junk": []}
    ),
    "query 'query_b' holds a list": lambda content: content["gnd"].__setitem__(1, []),
    "one entry for each of the 2 names of 'qimlist', found 1": lambda content: content["gnd"].pop(),
    "'gnd' must .* found NoneType": lambda content: content.update(gnd=None),
    "'imlist' must be a list of image names": lambda content: content["imlist"].append(7),
    "'imlist' holds 'db_1' twice": lambda content: content["imlist"].append("db_1"),
    "'qimlist' holds 'query_b' twice": lambda content: content.update(qimlist=["query_b"] * 2),
    r"'\.\./secret' leaves the image folder": lambda content: content["imlist"].append("../secret"),
    "'/etc/secret' leaves the image folder": lambda content: content["imlist"].append(
        "/etc/secret"
    ),
    "query 'query_b': 'hard' holds 4, not a position 0 to 3": set_field("hard", [4]),
    "query 'query_b': 'hard' holds -1": set_field("hard", [-1]),
    "query 'query_b': 'junk' holds 1.0": set_field("junk", [1.0]),
    "query 'query_b': 'junk' holds True": set_field("junk", [True]),
    "query 'query_b': 'easy' is not a list": set_field("easy", None),
    "query 'query_b': database image 1 is listed twice": set_field("easy", [1]),
    "query 'query_b': database image 3 is listed twice": set_field("hard", [3, 3]),
    r"query 'query_b': 'bbx' is \[5, 0, 5, 9\]": set_field("bbx", [5, 0, 5, 9]),
    r"query 'query_b': 'bbx' is \[0, 9, 5, 0\]": set_field("bbx", [0, 9, 5, 0]),
    r"query 'query_b': 'bbx' is \[0, 0, nan": set_field("bbx", [0, 0, float("nan"), 5]),
    r"query 'query_b': 'bbx' is \[0, 0, inf": set_field("bbx", [0, 0, float("inf"), 5]),
    r"query 'query_b': 'bbx' is \[1, 2, 3\]": set_field("bbx", [1, 2, 3]),
    "query 'query_b': 'bbx' is None": set_field("bbx", None),
}


@pytest.mark.parametrize("complaint", CHANGES)
def test_an_inconsistency_is_named(save, content, complaint):
    CHANGES[complaint](content)
    path = save(content)
    with pytest.raises(GroundTruthError, match=complaint) as caught:
        read_ground_truth(path, "toy")
    assert str(path) in str(caught.value)


def test_something_else_than_a_dictionary_is_refused(save):
    with pytest.raises(GroundTruthError, match="holds a list, not a dictionary"):
        read_ground_truth(save([1]), "toy")


@pytest.mark.parametrize("file_name", ["a.jpg", "a.jpeg", "a.png", "a.JPG", "a"])
def test_images_are_found_whatever_the_usual_extension(tmp_path, file_name):
    (tmp_path / file_name).touch()
    assert find_image(tmp_path, "a").name == file_name


def test_the_name_as_it_is_comes_first_and_folders_are_no_images(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.jpg.jpg").touch()
    (tmp_path / "b").mkdir()
    assert find_image(tmp_path, "a.jpg").name == "a.jpg"
    with pytest.raises(GroundTruthError, match=f"{tmp_path}: no image 'b'.*give the folder"):
        find_image(tmp_path, "b")


# Published sizes (Radenovic et al. 2018, table 1) and totals counted in the released files.
@pytest.mark.parametrize(
    ("name", "num_database", "num_easy", "num_hard", "num_junk"),
    [("roxford5k", 4993, 3029, 2497, 1356), ("rparis6k", 6322, 6874, 10350, 7153)],
)
@pytest.mark.parametrize("suffix", ["pkl", "json"])
def test_the_real_ground_truth(
    groundtruth_root, name, num_database, num_easy, num_hard, num_junk, suffix
):
    real = read_ground_truth(groundtruth_root / f"gnd_{name}.{suffix}", name)
    assert (len(real.database), len(real.queries)) == (num_database, 70)
    assert sum(len(query.easy) for query in real.queries) == num_easy
    assert sum(len(query.hard) for query in real.queries) == num_hard
    assert sum(len(query.junk) for query in real.queries) == num_junk


def test_every_image_of_the_real_photographs_is_found(photos_root):
    evaluation = photos_root / "eval"
    from_pickle = read_ground_truth(evaluation / "gnd_miniopen.pkl", "miniopen")
    assert from_pickle == read_ground_truth(evaluation / "gnd_miniopen.json", "miniopen")
    for name in (*from_pickle.database, *(query.query_id for query in from_pickle.queries)):
        assert find_image(evaluation / "jpg", name).parent == evaluation / "jpg"
