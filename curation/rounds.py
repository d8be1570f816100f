"""The answers for some pairs, round by round: looks at ever more sketches, then all descriptors."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import count

from curation.cascade import Look, list_looks
from curation.correspondences import NO_CORRESPONDENCES
from curation.geometry import find_consistent
from curation.judgement import Doubt, can_look_verify, judge, judge_look
from curation.matchable_features import MatchableFeatures
from curation.pair_answer import Evidence, Verification
from curation.pairs import Matcher, Pair, Sighting
from curation.processor_matcher import ProcessorMatcher
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures
from manifests.rows import PairReason, PairVerdict


def verify_pairs(
    pairs: Sequence[Pair], settings: VerificationSettings, matcher: Matcher
) -> list[Verification]:
    """Verify pairs. Each is decided by itself: the others change only the time that it takes.

    Args:
        pairs: the pairs.
        settings: thresholds.
        matcher: finds their correspondences.

    Returns:
        The answers, in order, each in the direction in which its pair was given.
    """
    with_features = [n for n, (a, b, _) in enumerate(pairs) if len(a) > 0 and len(b) > 0]
    answers = _decide_by_looks(pairs, with_features, settings, matcher)
    undecided = [number for number in with_features if number not in answers]
    for number, matches in zip(undecided, matcher.match(undecided), strict=True):
        a, b, _ = pairs[number]
        answers[number] = judge(a.features, b.features, matches, settings)
    return [
        _turn(answers.get(number, _NO_FEATURES), pair.is_turned)
        for number, pair in enumerate(pairs)
    ]


_NO_FEATURES = Verification(
    PairVerdict.REJECTED, PairReason.NO_FEATURES, 0, 0, lambda: (NO_CORRESPONDENCES, None)
)


def _turn(answer: Verification, is_turned: bool) -> Verification:  # noqa: FBT001
    return answer.turn_round() if is_turned else answer


def _decide_by_looks(
    pairs: Sequence[Pair], numbers: Iterable[int], settings: VerificationSettings, matcher: Matcher
) -> dict[int, Verification]:
    """The answers for those pairs whose sketches leave no doubt."""
    decided: dict[int, Verification] = {}
    looks = {
        n: list_looks(len(pairs[n].a), len(pairs[n].b), settings.min_inliers, settings.cascade)
        for n in numbers
    }
    for round_number in count():
        asking = [(n, looks[n][round_number]) for n in looks if round_number < len(looks[n])]
        if not asking:
            break
        for (n, look), seen in zip(asking, matcher.look(asking), strict=True):
            a, b = pairs[n].a.features, pairs[n].b.features
            found: Verification | Doubt = Doubt.TOO_FEW
            if seen.num_consistent < look.min_consistent:
                found = _reject(a, b, look, seen, settings)
            elif can_look_verify(seen.num_consistent, settings):
                found = judge_look(a, b, matcher.get_seen(n), settings)
            if found is not Doubt.TOO_FEW:
                del looks[n]
            if isinstance(found, Verification):
                decided[n] = found
    return decided


def _reject(
    a: LocalFeatures, b: LocalFeatures, look: Look, seen: Sighting, settings: VerificationSettings
) -> Verification:
    return Verification(
        PairVerdict.REJECTED,
        PairReason.FEW_AMONG_STRONGEST,
        seen.num_matches,
        seen.num_consistent,
        # Few ask, and what it needs else would stay in memory for as long as the answer.
        partial(_look_again, a, b, look, settings),
    )


def _look_again(
    a: LocalFeatures, b: LocalFeatures, look: Look, settings: VerificationSettings
) -> Evidence:
    pair = Pair(MatchableFeatures(a), MatchableFeatures(b), is_turned=False)
    matcher = ProcessorMatcher([pair], settings.max_ratio, settings.consistency_limits)
    matcher.look([(0, look)])
    matches = matcher.get_seen(0)
    return matches, find_consistent(a, b, matches, settings.consistency_limits)
