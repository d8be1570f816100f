import csv
import io

import pytest

from training.evaluate import MeanScores, ProtocolResult, SetResult
from training.results_table import ResultsTable, make_detail_table, make_table
from training.revisited_metrics import Protocol


def make_means(average, precision=0.5):
    return MeanScores(
        mean_average_precision=average,
        interval=None if average is None else (average - 0.1, average + 0.1),
        mean_precisions={1: precision, 10: precision},
        num_queries=70,
        num_without_positives=2,
    )


def make_result(name, num_distractors=0, **averages):
    protocols = tuple(
        ProtocolResult(
            protocol=Protocol(letter),
            all_queries=make_means(average),
            overlapping=None,
            others=None,
            average_precisions={},
        )
        for letter, average in averages.items()
    )
    return SetResult(
        name=name,
        num_database=9,
        num_distractors=num_distractors,
        num_undescribed=0,
        protocols=protocols,
    )


def test_the_layout_of_the_paper():
    results = [
        make_result("oxford5k", O=0.9),
        make_result("roxford5k", M=0.7, H=0.5),
        make_result("roxford5k", 1_001_001, M=0.6, H=0.4),
    ]
    header, row = make_table({"ours": results}).rows
    assert header == (
        "method", "oxford5k mAP", "roxford5k-M mAP/mP@10", "roxford5k+R1M-M mAP/mP@10",
        "roxford5k-H mAP/mP@10", "roxford5k+R1M-H mAP/mP@10", "mean mAP",
    )  # fmt: skip
    assert row == ("ours", "90.0", "70.0/50.0", "60.0/50.0", "50.0/50.0", "40.0/50.0", "62.0")


def test_details_name_interval_and_divisor():
    _, row, empty = make_detail_table([make_result("set", M=0.7, H=None)]).rows
    assert row == ("set", "M", "70.0", "60.0 to 80.0", "50.0", "50.0", "70", "2")
    assert empty[2:4] == ("-", "-")


@pytest.fixture
def table():
    return ResultsTable("title", (("name", "a|b"), ("x, y", "1.0")))


def test_markdown_is_a_table(table):
    assert table.as_markdown() == "| name | a\\|b |\n| --- | ---: |\n| x, y | 1.0 |\n"


def test_csv_is_read_back(table):
    assert tuple(map(tuple, csv.reader(io.StringIO(table.as_csv())))) == table.rows


def test_text_is_aligned(table):
    assert table.as_text() == "name  a|b\nx, y  1.0\n"
