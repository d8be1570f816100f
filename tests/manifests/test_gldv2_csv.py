"""GLDv2 CSV files: real files, awkward titles, and every kind of mistake."""

import csv
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.gldv2_csv import (
    Gldv2CsvError,
    is_image_id,
    member_path,
    read_attribution_csv,
    read_category_csv,
    read_train_clean_csv,
    read_train_csv,
    readable_name,
    write_train_clean_csv,
)

ID_A = "0123456789abcdef"
ID_B = "fedcba9876543210"
IMAGE_IDS = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.fixture
def train(tmp_path):
    def make(*rows, header="id,url,landmark_id"):
        return write(tmp_path / "train.csv", "\n".join([header, *rows]) + "\n")

    return make


def test_member_path_is_the_published_layout():
    assert member_path(ID_A) == "0/1/2/0123456789abcdef.jpg"


@pytest.mark.parametrize("text", ["0123456789ABCDEF", "0123456789abcde", ID_A + "\n", ID_A + "0"])
def test_other_texts_are_no_image_ids(text):
    assert is_image_id(ID_A)
    assert not is_image_id(text)


def test_train_csv_has_typed_columns_in_file_order(train):
    table = read_train_csv(train(f"{ID_B},http://x/b.jpg,10", f'{ID_A},"http://x/a,1.jpg",9'))
    assert [str(field.type) for field in table.schema] == ["string", "string", "int64"]
    assert table.to_pydict() == {
        "image_id": [ID_B, ID_A],
        "url": ["http://x/b.jpg", "http://x/a,1.jpg"],
        "landmark_id": [10, 9],
    }


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([f"{ID_A},u,1", "XYZ,u,2"], "row 3: image id 'XYZ'"),
        ([f"{ID_A.upper()},u,1"], "row 2: image id"),
        ([f"{ID_A},u,1", f"{ID_B},u,1.5"], "row 3: landmark id '1.5'"),
        ([f"{ID_A},u,"], "row 2: landmark id ''"),
        ([f"{ID_A},u,{10**20}"], "row 2: landmark id"),
        ([f"{ID_A},u,1", f"{ID_B},u,1", f"{ID_A},u,2"], "row 4: image id .* already in row 2"),
        ([f"{ID_A},u,1", f"{ID_B},u"], "row 3: Expected 3 columns, got 2"),
    ],
)
def test_a_wrong_row_is_named(train, rows, complaint):
    path = train(*rows)
    with pytest.raises(Gldv2CsvError, match=complaint) as caught:
        read_train_csv(path)
    assert str(path) in str(caught.value)


def test_rows_are_still_named_behind_a_byte_that_is_not_utf8(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(f"id,url,landmark_id\n{ID_A},u,1\n{ID_B},\xff,1\n".encode("latin-1"))
    with pytest.raises(Gldv2CsvError, match=r"row 3.*UTF8"):
        read_train_csv(path)


def test_a_mix_up_of_files_is_named(train):
    with pytest.raises(Gldv2CsvError, match=r"header of index\.csv.*expected 'id,url,landmark_id'"):
        read_train_csv(train(ID_A, header="id"))


def test_a_web_page_instead_of_a_file_is_refused(train):
    with pytest.raises(Gldv2CsvError, match="row 1: the header is '<html>'"):
        read_train_csv(train("<body>", header="<html>"))


@pytest.mark.parametrize(
    "read", [read_train_csv, read_attribution_csv, read_category_csv, read_train_clean_csv]
)
def test_missing_and_empty_files_come_with_a_remedy(read, tmp_path):
    with pytest.raises(Gldv2CsvError, match="no such file; fetch it again from https"):
        read(tmp_path / "absent.csv")
    with pytest.raises(Gldv2CsvError, match="row 1: the header is ''"):
        read(write(tmp_path / "empty.csv", ""))


def test_windows_line_ends_and_a_byte_order_mark_are_harmless(tmp_path):
    path = write(tmp_path / "train.csv", f"\ufeffid,url,landmark_id\r\n{ID_A},u,7\r\n")
    assert read_train_csv(path).to_pydict()["landmark_id"] == [7]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))


@given(st.dictionaries(IMAGE_IDS, st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), min_size=1))
def test_any_author_and_title_survive(tmp_path_factory, rights):
    """Titles hold commas, quotation marks and line breaks."""
    path = tmp_path_factory.mktemp("csv") / "train_attribution.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "url", "author", "license", "title"])
        writer.writerows([image_id, *texts] for image_id, texts in rights.items())
    table = read_attribution_csv(path)
    assert table.column_names == ["image_id", "author", "license", "title"]
    found = {row[0]: row[1:] for row in zip(*table.to_pydict().values(), strict=True)}
    assert found == {image_id: texts[1:] for image_id, texts in rights.items()}


def test_a_line_break_may_stand_where_arrow_cuts_the_file(monkeypatch, tmp_path):
    monkeypatch.setattr("manifests.gldv2_csv._BLOCK_BYTES", 100)
    titles = [f"first line {number}\nsecond, line" for number in range(20)]
    rows = [f'{number:016x},u,a,l,"{title}"' for number, title in enumerate(titles)]
    header = "id,url,author,license,title"
    path = write(tmp_path / "train_attribution.csv", "\n".join([header, *rows]) + "\n")
    assert read_attribution_csv(path)["title"].to_pylist() == titles


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://commons.wikimedia.org/wiki/Category:Eiffel_Tower", "Eiffel Tower"),
        ("http://commons.wikimedia.org/wiki/Category:St_Paul%27s", "St Paul's"),
        ("http://commons.wikimedia.org/wiki/Category:H%C3%B4tel", "Hôtel"),
        ("http://commons.wikimedia.org/wiki/Category:Ho%CC%82tel", "Hôtel"),
        ("Pont_au_Double", "Pont au Double"),
    ],
)
def test_readable_name(url, name):
    assert readable_name(url) == name


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1))
def test_any_encoded_name_is_read_back_in_nfc(name):
    url = f"http://commons.wikimedia.org/wiki/Category:{quote(name)}"
    assert readable_name(url) == unicodedata.normalize("NFC", name.replace("_", " ").strip())


def test_category_csv_maps_numbers_to_names(tmp_path):
    path = write(
        tmp_path / "c.csv",
        'landmark_id,category\n12,http://x/Category:A_b\n7,"http://x/Category:All_Souls,_Oxford"\n',
    )
    assert read_category_csv(path) == {12: "A b", 7: "All Souls, Oxford"}


def test_a_class_named_twice_is_refused_however_written(tmp_path):
    path = write(tmp_path / "c.csv", "landmark_id,category\n7,a\n007,b\n")
    with pytest.raises(Gldv2CsvError, match="row 3: landmark id 7 was already in row 2"):
        read_category_csv(path)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (f"1,{ID_A}\n2,{ID_B} {ID_A}", "row 3: image id .* already in row 2"),
        (f"1,{ID_A}\n2,{ID_B} nonsense", "row 3: image id 'nonsense'"),
        (f"1,{ID_A}\n2,", "row 3: image id ''"),
        (f"1,{ID_A}\n1,{ID_B}", "row 3: landmark id 1 was already in row 2"),
    ],
)
def test_a_wrong_class_is_named(tmp_path, rows, complaint):
    path = write(tmp_path / "train_clean.csv", f"landmark_id,images\n{rows}\n")
    with pytest.raises(Gldv2CsvError, match=complaint):
        read_train_clean_csv(path)


def test_train_clean_is_written_in_numerical_order(tmp_path):
    path = tmp_path / "train_clean.csv"
    write_train_clean_csv(path, {10: [ID_B], 9: ["0" * 15 + "b", "0" * 15 + "a"]})
    assert path.read_bytes() == (
        b"landmark_id,images\n9,000000000000000a 000000000000000b\n10,fedcba9876543210\n"
    )


@given(st.dictionaries(IMAGE_IDS, st.integers(0, 300_000)))
def test_train_clean_round_trip(tmp_path_factory, landmark_of_image):
    classes = {}
    for image_id, landmark_id in landmark_of_image.items():
        classes.setdefault(landmark_id, []).append(image_id)
    path = tmp_path_factory.mktemp("csv") / "train_clean.csv"
    write_train_clean_csv(path, classes)
    read_back = read_train_clean_csv(path)
    assert list(read_back) == sorted(classes)
    assert read_back == {key: tuple(sorted(ids)) for key, ids in classes.items()}


@pytest.mark.parametrize(
    "classes", [{1: []}, {1: ["short"]}, {1: [ID_A, ID_A]}, {1: [ID_A], 2: [ID_A]}]
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, classes):
    path = tmp_path / "train_clean.csv"
    with pytest.raises(Gldv2CsvError, match=r"class [12]"):
        write_train_clean_csv(path, classes)
    assert not path.exists()


def test_real_metadata_is_consistent(photos_root):
    metadata = photos_root / "metadata"
    train = read_train_csv(metadata / "train.csv")
    rights = read_attribution_csv(metadata / "train_attribution.csv")
    names = read_category_csv(metadata / "train_label_to_category.csv")
    assert set(rights["image_id"].to_pylist()) == set(train["image_id"].to_pylist())
    assert set(train["landmark_id"].to_pylist()) <= set(names)
    assert names[5150] == "St Paul's Cathedral"
