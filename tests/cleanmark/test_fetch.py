"""The commands `cleanmark fetch …`, as a user gives them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import wait_until
from fault_server import Fault, FaultServer
from small_evaluation_set import make_archive
from small_gldv2 import make_files, read_tree
from typer.testing import CliRunner

from cleanmark.verbs.fetch import app
from manifests.evaluation_sets import read_ground_truth
from pipelines.fetching.catalogue import EVALUATION_SETS, PARIS_CORRUPT

TAR = "/train/images_000.tar"


@pytest.fixture
def server():
    with FaultServer(make_files((0, 1))) as running:
        yield running


def fetch(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def fetch_shards(server, folder, *more, shards="0-1"):
    return fetch("gldv2", "--shards", shards, "--to", folder, "--base-url", server.url, *more)


def total(server):
    return f"{sum(map(len, server.files.values())) / 1000:.1f} kB"


def test_shards_come_in_the_layout_of_the_bucket(server, tmp_path):
    result = fetch_shards(server, tmp_path)
    assert result.exit_code == 0, result.output
    assert read_tree(tmp_path) == server.files
    assert "7 of 9 files are here and right" in result.output
    assert "note: metadata/train_clean.csv: missing" in result.output


def test_second_command_fetches_nothing(server, tmp_path):
    fetch_shards(server, tmp_path)
    result = fetch_shards(server, tmp_path)
    assert result.exit_code == 0
    assert ", 0 B came" in result.output


def test_missing_shard_is_named_and_the_exit_status_says_so(server, tmp_path):
    result = fetch_shards(server, tmp_path, shards="0,1,17")
    assert result.exit_code == 1
    assert "cleanmark: train/images_017.tar" in result.stderr
    assert "the same command tries these again" in result.stdout
    assert read_tree(tmp_path) == server.files


def test_dry_run_lists_sizes_and_writes_nothing(server, tmp_path):
    result = fetch_shards(server, tmp_path / "to", "--dry-run")
    assert result.exit_code == 0
    assert "to come: train/images_000.tar, 50.0 kB" in result.output
    assert f"0 of 9 files are here; {total(server)} would come" in result.output
    assert not (tmp_path / "to").exists()
    assert server.sent_bytes == 0


def test_plain_lines_tell_bytes_and_rate(server, tmp_path):
    output = fetch_shards(server, tmp_path).stdout
    assert f"fetch gldv2 train: 9/9 files, {total(server)} of {total(server)}, " in output
    assert "B/s, 0:00:00 left" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--split", "val"], "no split 'val'"),
        (["--shards", "9-1"], "runs backwards"),
        (["--shards", "500"], "no shard 500"),
    ],
)
def test_bad_arguments_have_a_status_of_their_own(tmp_path, arguments, said):
    result = fetch("gldv2", "--to", tmp_path / "to", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "to").exists()


def test_missing_extra_is_said_for_every_file(tmp_path):
    pytest.importorskip("fsspec")
    result = fetch("gldv2", "--shards", "0", "--to", tmp_path, "--base-url", "zz://bucket/gldv2")
    assert result.exit_code == 1
    assert "zz://bucket/gldv2/metadata/train.csv: not an address" in result.stderr


def test_interrupt_keeps_what_came(server, tmp_path):
    server.files[TAR] = server.files[TAR] * 40
    server.always[TAR] = Fault(pause_each_block=0.01)
    command = [
        sys.executable, "-c", "from cleanmark.verbs.fetch import app; app()",
        "gldv2", "--shards", "0", "--to", str(tmp_path), "--base-url", server.url,
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    part = tmp_path / f"{TAR[1:]}.part"
    wait_until(lambda: part.is_file() and part.stat().st_size > 0)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "the same command goes on" in output
    assert 0 < part.stat().st_size < len(server.files[TAR])
    assert not (tmp_path / TAR[1:]).exists()
    assert part.with_name(f"{part.name}.json").is_file()


def test_every_command_is_described_with_the_data():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    commands = [command.name for command in app.registered_commands]
    assert len(commands) == 1 + len(EVALUATION_SETS)
    assert [name for name in commands if f"cleanmark fetch {name}" not in page] == []


@pytest.fixture
def paris(groundtruth_root):
    """The real ground truth of Revisited Paris, and archives of a few bytes per image."""
    path = groundtruth_root / "gnd_rparis6k.pkl"
    truth = read_ground_truth(path, "rparis6k")
    names = [*truth.database, *(query.query_id for query in truth.queries), *PARIS_CORRUPT]
    images = {f"paris/{name}.jpg": name.encode() for name in names}
    half = len(images) // 2
    return {
        "/gnd_rparis6k.pkl": path.read_bytes(),
        "/paris_1-v1.tgz": make_archive(dict(list(images.items())[:half])),
        "/paris_2-v1.tgz": make_archive(dict(list(images.items())[half:])),
    }


def test_revisited_paris_is_complete_with_its_corrupt_images_named(paris, tmp_path):
    with FaultServer(paris) as server:
        result = fetch("rparis6k", "--to", tmp_path, "--base-url", server.url)
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "jpg").iterdir())) == 6412
    assert "20 images are known to be broken as published" in result.output
    assert (tmp_path / "gnd_rparis6k.pkl").read_bytes() == paris["/gnd_rparis6k.pkl"]


def test_ground_truth_that_is_not_the_published_one_is_refused(paris, tmp_path):
    with FaultServer({"/gnd_rparis6k.pkl": paris["/gnd_rparis6k.pkl"] + b"\0"}) as server:
        result = fetch("rparis6k", "--to", tmp_path, "--base-url", server.url)
    assert result.exit_code == 1
    assert "gnd_rparis6k.pkl: quarantined: fetched twice, and its SHA256" in result.stderr


def test_all_distractor_archives_and_their_list(tmp_path):
    names = [f"{number}/image {number}.jpg" for number in range(1, 101)]
    files = {"/revisitop1m.txt": "\n".join(names).encode() + b"\n"}
    for number, name in enumerate(names, start=1):
        files[f"/revisitop1m.{number}.tar.gz"] = make_archive({name: name.encode()})
    with FaultServer(files) as server:
        result = fetch("revisitop1m", "--to", tmp_path, "--base-url", server.url)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "jpg").rglob("*.jpg")) == sorted(
        name.partition("/")[2] for name in names
    )
