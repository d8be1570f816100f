import numpy as np
import pytest

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from training.bootstrap import BootstrapSettings
from training.evaluate import EvaluationSettings, evaluate_set
from training.results_table import make_overlap_table, make_table
from training.revisited_metrics import Protocol

# Each query is an axis; the further an image is turned towards it, the earlier it ranks. The first
# ranking is 7 3 0 1 2 5 4 6, whose scores under the official code are known.
_RANKING = (7, 3, 0, 1, 2, 5, 4, 6)
_SETTINGS = EvaluationSettings(bootstrap=BootstrapSettings(num_resamples=100))


@pytest.fixture
def toy():
    queries = (
        EvaluationQuery("known", "known", easy=(3, 5), hard=(1,), junk=(7, 2)),
        EvaluationQuery("no_easy", "no_easy", hard=(0,)),
    )
    return EvaluationSet("toy", tuple(f"image{i}" for i in range(8)), queries)


def make_descriptors():
    database = np.zeros((8, 2))
    database[list(_RANKING), 0] = np.linspace(1, 0.3, 8)
    database[:, 1] = np.linspace(0.9, 0.2, 8)
    return np.eye(2), database


def find_protocol(result, protocol):
    return next(found for found in result.protocols if found.protocol is protocol)


def test_known_scores_come_out(toy):
    result = evaluate_set(toy, *make_descriptors(), settings=_SETTINGS)
    easy = find_protocol(result, Protocol.EASY)
    assert easy.average_precisions == {"known": pytest.approx(0.7916667), "no_easy": None}
    assert easy.all_queries.num_without_positives == 1
    assert easy.all_queries.mean_precisions == pytest.approx({1: 1, 5: 2 / 3, 10: 2 / 3})
    hard = find_protocol(result, Protocol.HARD)
    assert hard.average_precisions == pytest.approx({"known": 0.25, "no_easy": 1.0})
    assert hard.all_queries.mean_average_precision == pytest.approx(0.625)
    assert hard.all_queries.interval == pytest.approx((0.25, 1.0))
    assert hard.overlapping is None


def test_distractors_count_and_lower_the_score(toy):
    distractors = [np.array([[2.0, 0.0]]), np.array([[0.0, 0.1], [2.0, 0.0]])]
    result = evaluate_set(toy, *make_descriptors(), distractors=distractors, settings=_SETTINGS)
    assert result.num_distractors == 3
    hard = find_protocol(result, Protocol.HARD)
    # Two of them stand before everything: the right image is the fourth rather than the second.
    assert hard.average_precisions == pytest.approx({"known": 0.125, "no_easy": 1.0})


def test_images_without_descriptor_are_counted_and_come_last(toy):
    queries, database = make_descriptors()
    database[1] = np.nan
    result = evaluate_set(toy, queries, database, settings=_SETTINGS)
    assert result.num_undescribed == 1
    # Behind 0, 4 and 6; easy and junk images are left out.
    hard = find_protocol(result, Protocol.HARD)
    assert hard.average_precisions["known"] == pytest.approx((0 + 1 / 4) / 2)


def test_the_overlap_splits_the_queries(toy):
    result = evaluate_set(toy, *make_descriptors(), overlapping={"known"}, settings=_SETTINGS)
    easy, hard = (find_protocol(result, p) for p in (Protocol.EASY, Protocol.HARD))
    assert hard.overlapping.mean_average_precision == pytest.approx(0.25)
    assert hard.others.mean_average_precision == pytest.approx(1.0)
    assert easy.others.mean_average_precision is None
    assert easy.others.interval is None


def test_wrong_numbers_of_descriptors_are_refused(toy):
    queries, database = make_descriptors()
    with pytest.raises(ValueError, match="toy has 2 queries and 8 images"):
        evaluate_set(toy, queries, database[:7])


def test_the_table_has_a_row_per_method(toy):
    result = evaluate_set(toy, *make_descriptors(), settings=_SETTINGS)
    among = evaluate_set(toy, *make_descriptors(), distractors=[np.eye(2)], settings=_SETTINGS)
    text = make_table({"ours": [result, among], "theirs": [result]}, cutoff=5).as_text()
    header, ours, theirs = text.splitlines()
    assert "toy-E mAP/mP@5" in header
    assert "toy+2-H" in header
    # Easy 79.2, medium (76.4 + 100) / 2, hard (25 + 100) / 2.
    assert [cell for cell in theirs.split() if cell != "-"] == [
        "theirs", "79.2/66.7", "88.2/87.5", "62.5/75.0",
    ]  # fmt: skip
    assert theirs.endswith("-")
    assert len({len(line) for line in (header, ours, theirs)}) == 1


def test_the_overlap_table_has_two_rows_per_method(toy):
    settings = EvaluationSettings(protocols=(Protocol.HARD, Protocol.MEDIUM))
    result = evaluate_set(toy, *make_descriptors(), overlapping={"known"}, settings=settings)
    _, yes, no = make_overlap_table({"ours": [result]}).as_text().splitlines()
    assert yes.split() == ["ours", "Y", "76.4", "25.0", "50.7"]
    assert no.split() == ["ours", "N", "100.0", "100.0", "100.0"]
