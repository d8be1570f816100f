"""The verb `evaluate` on real photographs; skipped where there are none."""

import json
from pathlib import Path

import pytest
from benchmark_files import write_checkpoint
from evaluate_verb import evaluate

from training.evaluation.records import read_record
from training.revisited_metrics import Protocol

_SET = Path(__file__).parents[2] / "configs/evaluation/miniopen.yaml"


@pytest.fixture(scope="module")
def scored(photos_root, tmp_path_factory):
    """Results of a network that was never trained: as it ranks, and with verified results first."""
    folder = tmp_path_factory.mktemp("photos")
    arguments = (
        "--set", _SET, "--root", photos_root, "--checkpoint", write_checkpoint(folder / "net.pt"),
        "--long-side", 192, "--scales", "1", "--resamples", 100, "--projection", "pca",
        "--out", folder / "out",
    )  # fmt: skip
    evaluate(*arguments)
    plain = read_record(folder / "out/results.json").sets[0]
    evaluate(*arguments, "--rerank", 30)
    return plain, read_record(folder / "out/results.json").sets[0], folder / "out"


def find_medium(found):
    return next(p for p in found.revisited.protocols if p.protocol is Protocol.MEDIUM)


def test_every_photograph_is_described(scored, photos_root):
    plain, _, _ = scored
    truth = json.loads((photos_root / "eval/gnd_miniopen.json").read_text())
    assert (plain.num_queries, plain.num_database) == (len(truth["qimlist"]), len(truth["imlist"]))
    assert (plain.missing, plain.unreadable) == ((), {})


def test_verification_finds_what_an_untrained_network_does_not(scored):
    plain, reranked, _ = scored
    before, after = (find_medium(found).average_precisions for found in (plain, reranked))
    assert all(after[query] >= before[query] for query in before)
    assert sum(after.values()) > sum(before.values()) + 0.2


def test_the_page_is_small_enough_to_send(scored):
    _, _, out = scored
    assert 50_000 < (out / "report.html").stat().st_size < 25_000_000
