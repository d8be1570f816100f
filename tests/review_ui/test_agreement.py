from collections import Counter
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from manifests.rows import Decision
from review_ui.agreement import (
    fleiss_kappa,
    krippendorff_alpha,
    measure_agreement,
    percent_agreement,
)
from review_ui.votes import Vote

# Fleiss 1971, as it is usually quoted: 10 subjects, 14 raters, 5 categories, kappa 0.210.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# Krippendorff 2011, section C: four observers, twelve units, missing values, alpha 0.743.
KRIPPENDORFF = [
    "123321412...", "123322412 5.3".replace(" ", ""), ".33323422 51.".replace(" ", ""),
    "123324412 51.".replace(" ", ""),
]  # fmt: skip

RATINGS = st.lists(
    st.dictionaries(st.sampled_from("ABCD"), st.sampled_from("sdu"), max_size=4), max_size=8
)


def _units():
    return [
        {str(rater): row[unit] for rater, row in enumerate(KRIPPENDORFF) if row[unit] != "."}
        for unit in range(12)
    ]


def _alpha_by_coincidences(ratings):
    """From the coincidence matrix, as Krippendorff defines it."""
    matrix = Counter()
    for unit in ratings:
        values = list(unit.values())
        for a in range(len(values)):
            for b in range(len(values)):
                if a != b:
                    matrix[values[a], values[b]] += 1 / (len(values) - 1)
    totals = Counter()
    for (value, _), count in matrix.items():
        totals[value] += count
    n = sum(totals.values())
    observed = sum(count for (a, b), count in matrix.items() if a != b)
    expected = sum(totals[a] * totals[b] for a in totals for b in totals if a != b) / (n - 1)
    return 1 - observed / expected


def test_kappa_of_the_published_example():
    counts = [dict(enumerate(row)) for row in FLEISS]
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


def test_alpha_of_the_published_example():
    assert krippendorff_alpha(_units()) == pytest.approx(0.743, abs=5e-4)


@given(RATINGS)
def test_alpha_is_that_of_the_coincidence_matrix(ratings):
    alpha = krippendorff_alpha(ratings)
    values = {v for unit in ratings if len(unit) > 1 for v in unit.values()}
    if len(values) < 2:
        assert alpha is None
    else:
        assert alpha == pytest.approx(_alpha_by_coincidences(ratings))


@given(RATINGS)
def test_percent_is_counted_over_pairs_of_raters(ratings):
    pairs = [a == b for unit in ratings for a, b in combinations(unit.values(), 2)]
    percent = percent_agreement(ratings)
    assert percent is None if not pairs else percent == pytest.approx(100 * sum(pairs) / len(pairs))


@given(RATINGS)
def test_agreement_throughout_gives_one_or_nothing(ratings):
    agreeing = [dict.fromkeys(unit, "sd"[n % 2]) for n, unit in enumerate(ratings)]
    assert krippendorff_alpha(agreeing) in (None, 1.0)
    assert percent_agreement(agreeing) in (None, 100.0)


@given(st.lists(st.permutations(list("ssd")), min_size=2, max_size=6))
def test_kappa_does_not_ask_who_said_what(rows):
    assume(rows)
    assert fleiss_kappa([Counter(row) for row in rows]) == fleiss_kappa(
        [Counter("ssd")] * len(rows)
    )


def test_kappa_needs_equally_many_raters():
    with pytest.raises(ValueError, match="equally many"):
        fleiss_kappa([Counter("ss"), Counter("ssd")])
    assert fleiss_kappa([]) is None
    assert fleiss_kappa([Counter("s")]) is None
    assert fleiss_kappa([Counter("ss"), Counter("ss")]) is None


def test_a_review_is_measured_over_the_right_pairs():
    def vote(key, reviewer, decision):
        return Vote(key, reviewer, Decision(decision), "2026", "id")

    votes = [vote("a", n, "same") for n in ("x", "y", "z")]
    votes += [vote("b", "x", "same"), vote("b", "y", "different")]
    votes += [vote("c", "x", "unsure")]
    found = measure_agreement(votes)
    assert (found.num_pairs, found.num_shared, found.num_by_all) == (3, 2, 1)
    assert found.percent == pytest.approx(75.0)
    assert found.kappa is None
    assert measure_agreement([]).percent is None
