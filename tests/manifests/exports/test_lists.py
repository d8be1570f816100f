import pandas as pd
import pytest
from small_manifests import KEPT, SETTINGS, open_small_release

from curation.class_index import choose_val_images
from manifests.exports.hugging_face import write_release
from manifests.exports.lists import write_lists
from manifests.gldv2_csv import member_path, read_train_clean_csv


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("lists")
    write_lists(write_release(root, open_small_release(root), max_rows=3))
    return root / "compat" / "paper"


def test_train_clean_csv_has_every_kept_image(folder):
    assert read_train_clean_csv(folder / "train_clean.csv") == {
        landmark_id: tuple(ids) for landmark_id, ids in KEPT.items()
    }


@pytest.mark.parametrize("validates", [False, True], ids=["train", "val"])
def test_a_list_has_a_path_and_a_label_for_each_image_of_its_split(folder, validates):
    name = "val_list.txt" if validates else "train_list.txt"
    read = pd.read_csv(folder / name, sep=" ", names=["path", "label"])
    expected = {}
    for label, landmark_id in enumerate(sorted(KEPT)):
        val = choose_val_images(KEPT[landmark_id], SETTINGS)
        for image_id in KEPT[landmark_id]:
            if (image_id in val) == validates:
                expected[member_path(image_id)] = label
    assert dict(zip(read["path"], read["label"], strict=True)) == expected
