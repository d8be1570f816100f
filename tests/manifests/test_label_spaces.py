from pathlib import Path

import pytest

from manifests.gldv2_csv import Gldv2CsvError, read_category_csv, read_train_csv
from manifests.gldv2_metadata import read_lists
from manifests.label_spaces import describe_other_space

NAMES = "landmark_id,category\n"


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _train(tmp_path, landmark_ids):
    rows = (f"{n:016x},http://x,{landmark_id}" for n, landmark_id in enumerate(landmark_ids))
    return _write(tmp_path / "train.csv", "\n".join(["id,url,landmark_id", *rows]) + "\n")


def test_names_of_the_index_split_are_refused_with_an_explanation(tmp_path):
    names = _write(tmp_path / "index_label_to_category.csv", NAMES + "7,Category:A\n")
    with pytest.raises(Gldv2CsvError) as refused:
        read_lists(_train(tmp_path, [7]), None, names)
    message = str(refused.value)
    assert message.startswith(f"{names}: its classes are numbered as gldv2:index")
    assert "gldv2:index:L7 is not gldv2:train:L7" in message
    assert message.endswith("give train_label_to_category.csv")


def test_renaming_the_file_does_not_hide_that_it_names_other_classes(tmp_path):
    rows = "".join(f"{n},Category:P{n}\n" for n in range(20))
    names = _write(tmp_path / "names.csv", NAMES + rows)
    with pytest.raises(Gldv2CsvError, match=r"names 20 of 40 classes, and not gldv2:train:L20,"):
        read_lists(_train(tmp_path, range(40)), None, names)


def test_a_class_without_a_name_is_no_reason_to_refuse(tmp_path):
    rows = "".join(f"{n},Category:P{n}\n" for n in range(1, 20))
    names = _write(tmp_path / "names.csv", NAMES + rows)
    lists = read_lists(_train(tmp_path, range(20)), None, names)
    assert set(lists.names) == set(range(1, 20))


def test_labels_of_index_images_are_no_train_list(tmp_path):
    path = _write(tmp_path / "index_image_to_landmark.csv", "id,landmark_id\n")
    with pytest.raises(Gldv2CsvError, match="numbered as gldv2:index"):
        read_train_csv(path)


def test_files_of_ones_own_are_judged_by_their_content(tmp_path):
    path = _write(tmp_path / "mine.csv", NAMES + "7,Category:A\n")
    assert describe_other_space(path, "train.csv") is None
    assert read_category_csv(path) == {7: "A"}
