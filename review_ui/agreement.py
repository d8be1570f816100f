"""How far reviewers agree: percent agreement, Fleiss' kappa and Krippendorff's alpha.

All three treat the answers as names without an order. `unsure` is an answer like the others.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from review_ui.votes import Vote

Ratings = Mapping[str, Hashable]
"""What was said of one pair: reviewer -> answer."""


@dataclass(frozen=True)
class Agreement:
    """How far reviewers agree; a figure is None where the votes do not define it.

    Attributes:
        num_pairs: pairs with at least one vote.
        num_shared: of these, with votes of at least two reviewers.
        num_by_all: of these, with votes of everybody who voted at all.
        percent: how often two people who voted on one pair agree, in percent.
        kappa: Fleiss' kappa over the pairs that everybody voted on.
        alpha: Krippendorff's alpha over all pairs; 1 is agreement, 0 is what chance gives.
    """

    num_pairs: int
    num_shared: int
    num_by_all: int
    percent: float | None
    kappa: float | None
    alpha: float | None


def measure_agreement(votes: Iterable[Vote]) -> Agreement:
    """Measure how far the votes that stand agree."""
    by_pair: dict[str, dict[str, Hashable]] = {}
    for vote in votes:
        by_pair.setdefault(vote.content_key, {})[vote.reviewer] = vote.decision
    ratings = list(by_pair.values())
    everybody = {name for of_pair in ratings for name in of_pair}
    by_all = [r for r in ratings if len(r) == len(everybody) >= 2]
    return Agreement(
        num_pairs=len(ratings),
        num_shared=sum(len(r) >= 2 for r in ratings),
        num_by_all=len(by_all),
        percent=percent_agreement(ratings),
        kappa=fleiss_kappa([Counter(r.values()) for r in by_all]),
        alpha=krippendorff_alpha(ratings),
    )


def percent_agreement(ratings: Iterable[Ratings]) -> float | None:
    """Pairs of raters who agree on an item, in percent of all pairs of raters, over all items."""
    agreeing = possible = 0
    for of_item in ratings:
        num_raters = len(of_item)
        possible += num_raters * (num_raters - 1)
        agreeing += sum(n * (n - 1) for n in Counter(of_item.values()).values())
    return 100.0 * agreeing / possible if possible else None


def fleiss_kappa(counts: Sequence[Mapping[Hashable, int]]) -> float | None:
    """Fleiss' kappa (Fleiss 1971).

    Args:
        counts: for each item, answer -> number of raters; each item with equally many raters.

    Returns:
        At most 1; None without items, with fewer than two raters, or when all answers are one
        and the same, which leaves nothing for chance to explain.

    Raises:
        ValueError: items have different numbers of raters.
    """
    raters = {sum(of_item.values()) for of_item in counts}
    if len(raters) > 1:
        raise ValueError(f"items with {sorted(raters)} raters: kappa needs equally many")
    if not raters or min(raters) < 2:
        return None
    num_raters = raters.pop()
    total: Counter[Hashable] = Counter()
    observed = 0.0
    for of_item in counts:
        total.update(of_item)
        agreeing = sum(n * (n - 1) for n in of_item.values())
        observed += agreeing / (num_raters * (num_raters - 1)) / len(counts)
    num_answers = num_raters * len(counts)
    expected = sum((n / num_answers) ** 2 for n in total.values())
    # Compared as whole numbers: one answer throughout makes the expectation exactly 1.
    return None if len(total) == 1 else (observed - expected) / (1 - expected)


def krippendorff_alpha(ratings: Iterable[Ratings]) -> float | None:
    """Krippendorff's alpha for nominal data with missing values (Krippendorff 2011).

    Args:
        ratings: for each item, rater -> answer; items with a single answer play no part.

    Returns:
        At most 1; None without items that two raters answered, or when all answers are the same.
    """
    total: Counter[Hashable] = Counter()
    disagreement = 0.0
    for of_item in ratings:
        num_raters = len(of_item)
        if num_raters < 2:
            continue
        counts = Counter(of_item.values())
        total.update(counts)
        differing = sum(n * (num_raters - n) for n in counts.values())
        disagreement += differing / (num_raters - 1)
    num_answers = sum(total.values())
    expected = sum(n * (num_answers - n) for n in total.values())
    if expected == 0:
        return None
    return 1.0 - (num_answers - 1) * disagreement / expected
