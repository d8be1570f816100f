import copy
from pathlib import Path

import pytest
from config_files import FULL, PATHS, complain, load_job, read_value, with_value, write_config

from manifests.input_error import InputError
from manifests.yaml_settings import ConfigError
from pipelines.run_config import check_paths, load_config


def test_a_file_with_only_a_source_is_a_job(tmp_path):
    config = load_job(tmp_path, {"source": {"root": "/data"}})
    assert config.source.root == Path("/data")
    assert config.evaluation_sets == ()
    assert config.truth is None


@pytest.mark.parametrize(
    "key",
    [
        "clena",
        "clean.min_inlier",
        "verify.guards.max_scael",
        "evaluation_sets[].picture",
        "truth.overlaps",
    ],
)
def test_an_unknown_key_is_named_by_its_path(tmp_path, key):
    complaint = complain(tmp_path, with_value(FULL, key, 1))
    where = f"{tmp_path / 'job.yaml'}: {key.replace('[]', '.0')}"
    assert complaint == f"{where}: there is no such setting; see docs/configuration.md"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verify.min_inliers", 2),
        ("clean.min_verified_neighbours", 0),
        ("emit.val_fraction", 1.0),
        ("emit.policy", "papre"),
        ("describe.max_features", "many"),
        ("embed.whitening_shrinkage", float("nan")),
        ("evaluation_sets[].name", "with blank"),
        ("runner.workers", -1),
        ("clean", None),
    ],
)
def test_a_value_out_of_range_is_named_with_its_path_and_what_was_found(tmp_path, key, value):
    complaint = complain(tmp_path, with_value(FULL, key, value))
    assert complaint.startswith(f"{tmp_path / 'job.yaml'}: {key.replace('[]', '.0')}: ")
    assert complaint.endswith(f"(found {value!r})")
    assert "\n" not in complaint


@pytest.mark.parametrize("key", ["source", "source.root", "evaluation_sets[].images"])
def test_what_is_missing_is_named(tmp_path, key):
    content = copy.deepcopy(FULL)
    section = content
    *parents, last = key.replace("[]", ".0").split(".")
    for part in parents:
        section = section[int(part) if part.isdigit() else part]
    del section[last]
    assert f"{key.replace('[]', '.0')}: must be given" in complain(tmp_path, content)


@pytest.mark.parametrize("file_format", ["revisited", "oxford5k", "gldv2", "table", "folder"])
def test_only_a_plain_folder_has_no_ground_truth(tmp_path, file_format):
    bare = {"name": "mini", "images": "/eval/jpg", "format": file_format}
    with_truth = bare | {"ground_truth": "/eval/truth"}
    is_folder = file_format == "folder"
    good, bad = (bare, with_truth) if is_folder else (with_truth, bare)
    load_job(tmp_path, FULL | {"evaluation_sets": [good]})
    verb = "takes no" if is_folder else "needs"
    complaint = complain(tmp_path, FULL | {"evaluation_sets": [bad]})
    assert f"evaluation_sets.0: format {file_format} {verb} `ground_truth`" in complaint


def test_an_evaluation_set_may_be_the_path_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "sets").mkdir()
    own = {"name": "own", "images": "jpg", "ground_truth": "{source.root}/gnd.json"}
    write_config(tmp_path / "sets", own, "own.yaml")
    content = FULL | {"evaluation_sets": ["sets/own.yaml", FULL["evaluation_sets"][0]]}
    first, second = load_job(tmp_path, content, "source.root=/moved").evaluation_sets
    assert (first.name, second.name) == ("own", "mini")
    assert first.images == tmp_path / "sets/jpg"
    assert first.ground_truth == Path("/moved/gnd.json")
    changed = load_job(tmp_path, content, "evaluation_sets.0.images=/elsewhere").evaluation_sets[0]
    assert changed.images == Path("/elsewhere")
    monkeypatch.chdir(tmp_path / "sets")
    named = load_job(tmp_path, FULL, "evaluation_sets=[own.yaml]", "evaluation_sets.0.name=new")
    assert (named.evaluation_sets[0].name, named.evaluation_sets[0].images) == ("new", first.images)


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "no such"), ("- a", "expected"), ("a: b: c", "not readable as YAML: line 1")],
)
def test_a_file_of_an_evaluation_set_that_is_none_is_named(tmp_path, text, problem):
    if text is not None:
        write_config(tmp_path, text, "own.yaml")
    complaint = complain(tmp_path, FULL | {"evaluation_sets": ["own.yaml"]})
    assert complaint.startswith(f"{tmp_path / 'own.yaml'}: {problem}")


def test_every_problem_gets_a_line_of_its_own_that_names_the_file(tmp_path):
    content = with_value(with_value(FULL, "clean.min_inlier", 1), "verify.min_inliers", 0)
    lines = complain(tmp_path, content).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{tmp_path / 'job.yaml'}: ") for line in lines)


def test_thresholds_that_leave_a_gap_are_refused(tmp_path):
    complaint = complain(tmp_path, FULL, "clean.min_inliers=20")
    assert "clean.min_inliers (20) is below verify.min_inliers (30)" in complaint
    assert load_job(tmp_path, FULL, "clean.min_inliers=20", "verify.min_inliers=20")


@pytest.mark.parametrize("change", ["clean.policy=kcore", "clean.min_inliers=31"])
def test_pairs_that_the_cleaning_needs_cannot_be_skipped(tmp_path, change):
    changes = [change, "verify.cascade.mode=reject_early"]
    assert load_job(tmp_path, FULL, *changes)
    complaint = complain(tmp_path, FULL, *changes, "verify.skip_settled_pairs=true")
    assert "verify.skip_settled_pairs skips pairs" in complaint
    assert load_job(tmp_path, FULL, "verify.skip_settled_pairs=true")


def test_a_raised_threshold_needs_all_inliers_counted(tmp_path):
    assert load_job(tmp_path, FULL, "clean.min_inliers=36")
    complaint = complain(tmp_path, FULL, "clean.min_inliers=37")
    assert "above the 36 inliers" in complaint
    assert "set the mode to reject_early" in complaint
    for mode in ("reject_early", "exact"):
        assert load_job(tmp_path, FULL, "clean.min_inliers=37", f"verify.cascade.mode={mode}")


def test_two_evaluation_sets_of_one_name_are_refused(tmp_path):
    content = FULL | {"evaluation_sets": FULL["evaluation_sets"] * 2}
    assert "two of them have one name: ['mini', 'mini']" in complain(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("source: {root: /a", "not readable as YAML: line 1, column 18"),
        ("- a\n- b\n", "expected sections such as `source:`, found ['a', 'b']"),
        ("", "expected sections such as `source:`, found None"),
        ("source: &a {root: /a}\nb: *c\n", "line 2, column 4: found undefined alias 'c'"),
        ("x: !!python/object:os.system {}\n", "could not determine a constructor"),
        (
            "source: {root: /a}\nclean: {min_inliers: 40}\nverify: {}\nclean: {}\n",
            "line 4, column 1: the key 'clean' is given twice in one section",
        ),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused_in_one_line(tmp_path, text, complaint):
    found = complain(tmp_path, text)
    assert found.startswith(f"{tmp_path / 'job.yaml'}: ")
    assert complaint in found
    assert "\n" not in found


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: no such configuration file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="not readable as a configuration file"):
        load_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"source: {root: /caf\xe9}")
    with pytest.raises(ConfigError, match=r"latin\.yaml: not readable as a configuration file"):
        load_config(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("clean.min_verified_neighbours=4", "clean.min_verified_neighbours", 4),
        ("verify.guards.max_scale=2.5", "verify.guards.max_scale", 2.5),
        ("evaluation_sets.0.name=other", "evaluation_sets[].name", "other"),
        ("evaluation_sets.0.text_terms=[a, Île]", "evaluation_sets[].text_terms", ("a", "Île")),
        ("source.check_md5=false", "source.check_md5", False),
        ("clean={min_class_images: 5}", "clean.min_class_images", 5),
        ("truth.overlap=null", "truth.overlap", None),
        ("source.root=/with=sign", "source.root", Path("/with=sign")),
    ],
)  # fmt: skip
def test_a_setting_can_be_overridden_by_its_dotted_key(tmp_path, override, key, value):
    assert read_value(load_job(tmp_path, FULL, override), key) == value


def test_the_last_override_of_a_key_counts(tmp_path):
    config = load_job(tmp_path, FULL, "verify.min_inliers=20", "verify.min_inliers=25")
    assert config.verify.min_inliers == 25


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("clean.min_inliers", "expected dotted.key=value"),
        ("=5", "expected dotted.key=value"),
        ("evaluation_sets.1.name=x", "evaluation_sets.1: the list has items 0 to 0"),
        ("evaluation_sets.-1.name=x", "evaluation_sets.-1: the list has items 0 to 0"),
        ("evaluation_sets.².name=x", "evaluation_sets.²: the list has items 0 to 0"),
        ("evaluation_sets.first.name=x", "evaluation_sets.first: the list has items 0 to 0"),
        ("evaluation_sets.3=x", "evaluation_sets.3: the list has items 0 to 0"),
        ("source.root.deeper=1", "source.root.deeper: leads into a plain value"),
        ("source.root.much.deeper=1", "source.root.much: leads into a plain value"),
        ("clean.policy=[a", "--set clean.policy=[a: not readable as YAML"),
        ("clean.polciy=degree", "clean.polciy: there is no such setting"),
        ("clean.min_inliers=few", "clean.min_inliers: "),
    ],
)
def test_an_override_that_fits_nothing_is_refused(tmp_path, override, complaint):
    found = complain(tmp_path, FULL, override)
    assert complaint in found
    assert "\n" not in found


def test_an_override_into_what_the_file_leaves_empty_is_refused(tmp_path):
    assert "truth is empty in the file" in complain(
        tmp_path, FULL | {"truth": None}, "truth.images=a"
    )
    empty = FULL | {"evaluation_sets": []}
    assert "the list has no items" in complain(tmp_path, empty, "evaluation_sets.0.name=a")


@pytest.mark.parametrize("key", PATHS)
def test_relative_paths_count_from_the_folder_of_the_file(tmp_path, monkeypatch, key):
    (tmp_path / "configs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write_config(tmp_path / "configs", with_value(FULL, key, "../here"))
    config = load_config(Path("../configs/job.yaml"))
    assert read_value(config, key).resolve() == tmp_path / "here"
    assert read_value(config, key).is_absolute()


@pytest.mark.parametrize("key", PATHS)
def test_relative_paths_of_overrides_count_from_the_current_folder(tmp_path, monkeypatch, key):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load_job(tmp_path, FULL, f"{key.replace('[]', '.0')}=here/x")
    assert read_value(config, key) == tmp_path / "elsewhere/here/x"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ana")
    config = load_job(tmp_path, {"source": {"root": "~/gldv2"}})
    assert config.source.root == Path("/home/ana/gldv2")


def test_paths_may_begin_with_the_root_also_when_it_is_overridden(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = with_value(FULL, "evaluation_sets[].images", "{source.root}/eval/jpg")
    content = with_value(content, "truth.images", "{source.root}/truth.csv")
    as_written = load_job(tmp_path, content)
    assert as_written.evaluation_sets[0].images == Path("/data/eval/jpg")
    moved = load_job(tmp_path, content, "source.root=moved")
    assert moved.evaluation_sets[0].images == tmp_path / "moved/eval/jpg"
    assert moved.truth.images == tmp_path / "moved/truth.csv"
    by_override = load_job(
        tmp_path, FULL, "truth.images={source.root}/other.csv", "source.root=/new"
    )
    assert by_override.truth.images == Path("/new/other.csv")


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"source": {"root": "{source.root}/a"}}, "source.root"),
        ({"truth": {"images": "{source.root}/a"}}, "truth.images"),
        ({"source": None, "truth": {"images": "{source.root}/a"}}, "truth.images"),
    ],
)
def test_a_root_that_is_not_given_cannot_be_filled_in(tmp_path, content, key):
    complaint = complain(tmp_path, content)
    assert complaint == f"{key}: '{{source.root}}/a' needs source.root, which is not given"


def _make_paths(folder):
    # Folders stand for everything; a network would be loaded, and answers are read.
    content = with_value(FULL, "embed.method", "vlad")
    for key in PATHS:
        path = folder / key
        path.mkdir()
        content = with_value(content, key, str(path))
    return content


def test_paths_that_are_there_pass(tmp_path):
    check_paths(load_job(tmp_path, _make_paths(tmp_path), "clean.answers=null"))
    check_paths(load_job(tmp_path, {"source": {"root": "."}}))


@pytest.mark.parametrize("key", PATHS)
def test_a_path_that_is_not_there_is_named_with_its_key(tmp_path, key):
    config = load_job(tmp_path, _make_paths(tmp_path))
    (tmp_path / key).rmdir()
    with pytest.raises(ConfigError) as caught:
        check_paths(config)
    expected = f"{key.replace('[]', '.0')}: {tmp_path / key} does not exist; set it with --set"
    assert str(caught.value).startswith(expected)


def test_answers_that_cannot_be_read_are_refused_before_the_job_starts(tmp_path):
    (tmp_path / "answers.csv").write_text("image_id_a,image_id_b,answer\na,b,perhaps\n")
    content = {"source": {"root": "."}, "clean": {"answers": "answers.csv"}}
    with pytest.raises(InputError, match=r"answers\.csv: row 2: the answer 'perhaps'"):
        check_paths(load_job(tmp_path, content))


def test_a_root_that_is_to_be_fetched_need_not_be_there(tmp_path):
    content = with_value(_make_paths(tmp_path), "source.root", str(tmp_path / "to come"))
    with pytest.raises(ConfigError, match=r"source\.root: .* does not exist"):
        check_paths(load_job(tmp_path, content))
    content = with_value(content, "clean.answers", None)
    fetched = "source.fetch.shards=17"
    check_paths(load_job(tmp_path, content, fetched))
    inside = tmp_path / "to come" / "metadata" / "train_clean.csv"
    check_paths(load_job(tmp_path, content, fetched, f"source.restrict_to={inside}"))
    with pytest.raises(ConfigError, match=r"source\.restrict_to: .*elsewhere"):
        check_paths(load_job(tmp_path, content, fetched, "source.restrict_to=/elsewhere.csv"))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("source.fetch.base_url=mirror", "an absolute folder"),
        ("source.fetch.shards=9-1", "runs backwards"),
        ("source.fetch.shards=[1, 2]", "valid string"),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_a_remedy(tmp_path, setting, said):
    complaint = complain(tmp_path, FULL, setting)
    assert setting.partition("=")[0] in complaint
    assert said in complaint


def test_the_second_evaluation_set_is_named_as_such(tmp_path):
    content = _make_paths(tmp_path)
    content["evaluation_sets"].append(
        {"name": "second", "images": "nowhere", "ground_truth": str(tmp_path)}
    )
    with pytest.raises(ConfigError, match=r"^evaluation_sets\.1\.images: .*nowhere does not exist"):
        check_paths(load_job(tmp_path, content))
