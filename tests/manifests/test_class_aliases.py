import pytest

from manifests.class_aliases import ClassAliasError, read_class_aliases


def _write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_names_are_read_by_class_each_once_and_in_order(tmp_path):
    text = 'landmark_id,name\n7,Tour Eiffel\n3,"Radcliffe, Camera"\n7,エッフェル塔\n7,Tour Eiffel\n'
    assert read_class_aliases(_write(tmp_path / "names.csv", text)) == {
        7: ("Tour Eiffel", "エッフェル塔"),
        3: ("Radcliffe, Camera",),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the header is ''"),
        ("id,name\n", "the header is 'id,name'"),
        ("landmark_id,name\n7\n", "row 2: '7' is not a class number and a name"),
        ("landmark_id,name\n7,a\nx,b\n", "row 3: 'x,b'"),
        ("landmark_id,name\n7, \n", "row 2"),
        ("landmark_id,name\n-7,a\n", "row 2"),
    ],
)
def test_a_bad_file_is_refused_with_its_row(tmp_path, text, complaint):
    with pytest.raises(ClassAliasError, match=r"names\.csv: ") as error:
        read_class_aliases(_write(tmp_path / "names.csv", text))
    assert complaint in str(error.value)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(ClassAliasError, match="no such file"):
        read_class_aliases(tmp_path / "names.csv")
    (tmp_path / "names.csv").write_bytes(b"landmark_id,name\n7,\xff\n")
    with pytest.raises(ClassAliasError, match="not UTF-8"):
        read_class_aliases(tmp_path / "names.csv")
