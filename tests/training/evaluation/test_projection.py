import numpy as np
import pytest

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from training.evaluation.projection import (
    NO_LANDMARK,
    ProjectionSettings,
    choose_images,
    group_by_landmark,
    project,
)


def make_clusters(num_each=12, dimensions=16):
    generator = np.random.default_rng(0)
    centres = np.eye(dimensions)[:3]
    rows = np.repeat(centres, num_each, axis=0)
    return rows + generator.normal(0, 0.05, rows.shape)


def test_queries_with_an_image_in_common_share_a_landmark():
    queries = (
        EvaluationQuery("a", "a", easy=(0,), hard=(1,), junk=(5,)),
        EvaluationQuery("b", "b", easy=(3,)),
        EvaluationQuery("c", "c", easy=(1, 2)),
        EvaluationQuery("d", "d", easy=(2, 3)),
    )
    evaluation_set = EvaluationSet("set", tuple("012345"), queries)
    # The last query joins the landmark of b with that of a and c.
    assert group_by_landmark(evaluation_set).tolist() == [0, 0, 0, 0, NO_LANDMARK, NO_LANDMARK]


def test_images_of_landmarks_are_chosen_first():
    groups = np.array([NO_LANDMARK] * 20 + [1] * 5 + [NO_LANDMARK] * 5)
    descriptors = np.ones((30, 2))
    descriptors[24] = np.nan
    chosen = choose_images(groups, descriptors, ProjectionSettings(max_points=8))
    assert len(chosen) == 8
    assert {20, 21, 22, 23} <= set(chosen.tolist())
    assert 24 not in chosen


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_clusters_stay_together_and_the_seed_decides(method):
    settings = ProjectionSettings(method=method)
    points = project(make_clusters(), settings).reshape(3, 12, 2)
    spread = np.linalg.norm(points - points.mean(axis=1, keepdims=True), axis=2).max()
    centres = points.mean(axis=1)
    gaps = [np.linalg.norm(centres[i] - centres[i - 1]) for i in range(3)]
    assert min(gaps) > spread
    assert np.array_equal(points.reshape(-1, 2), project(make_clusters(), settings))


def test_two_descriptors_are_two_points():
    points = project(np.array([[1.0, 0.0], [0.0, 1.0]]), ProjectionSettings())
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(np.sqrt(2))
