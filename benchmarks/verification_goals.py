"""What the verifier is meant to reach, beside what one run of bench_verification.py measured."""

from collections.abc import Mapping
from typing import Any

SCRIPT = "flann_ratio_ransac"
TORCH = "torch_mutual_magsac"
HLOC = "hloc_two_view_geometry"
SPEED_GOALS = (
    (SCRIPT, "ours_exact", 50),
    (SCRIPT, "ours", 150),
    (TORCH, "ours_exact", 15),
    (TORCH, "ours", 40),
)


def judge_goals(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each goal, the limit, the measured figure and whether it was met; None: not measured.

    Times are those of the mix of 30 % true and 70 % cross pairs.
    """
    methods = summary["methods"]
    agreement = summary["true_pairs_by_who_verifies_them"]
    kept = _share_kept(agreement, SCRIPT, "ours")
    goals = [
        *(
            _at_least(f"time of {theirs} over {ours}", limit, _ratio(methods, theirs, ours))
            for theirs, ours, limit in SPEED_GOALS
        ),
        _at_least("time of the script over ours_exact_avx2", 10, _without_dot_products(methods)),
        _at_least("f1 at 30 % true pairs over the script's", 1, _f1_ratio(methods, SCRIPT)),
        _at_least("f1 at 30 % true pairs over hloc's", 1, _f1_ratio(methods, HLOC)),
        _at_least("share of the script's true accepts kept", 0.98, kept),
        _at_most("share of decisions that the cascade loses", 0.005, _share_lost(agreement)),
        _at_most("cross pairs verified", 0, methods["ours"]["cross_pairs_verified"]),
    ]
    if "every_cross_class_pair" in summary:
        unexplained = summary["every_cross_class_pair"]["num_unexplained"]
        goals.append(_at_most("unexplained accepts among all cross-class pairs", 0, unexplained))
    return goals


def _at_least(name: str, limit: float, measured: float | None) -> dict[str, Any]:
    is_met = None if measured is None else measured >= limit
    return {"goal": name, "at_least": limit, "measured": measured, "is_met": is_met}


def _at_most(name: str, limit: float, measured: float | None) -> dict[str, Any]:
    is_met = None if measured is None else measured <= limit
    return {"goal": name, "at_most": limit, "measured": measured, "is_met": is_met}


def _ratio(methods: Mapping[str, Any], theirs: str, ours: str) -> float | None:
    return methods[theirs][f"cpu_time_relative_to_{ours}"].get("mix")


def _without_dot_products(methods: Mapping[str, Any]) -> float | None:
    if "ours_exact_avx2" not in methods:
        return None
    theirs, ours = (
        methods[name]["cpu_time_relative_to_ours_exact"]["mix"]
        for name in (SCRIPT, "ours_exact_avx2")
    )
    return round(theirs / ours, 2)


def _f1_ratio(methods: Mapping[str, Any], theirs: str) -> float | None:
    if theirs not in methods or methods[theirs]["f1_at_30_percent_true"] == 0:
        return None
    ours = methods["ours"]["f1_at_30_percent_true"]
    return round(ours / methods[theirs]["f1_at_30_percent_true"], 3)


def _share_kept(agreement: Mapping[str, int], theirs: str, ours: str) -> float | None:
    accepted = {who: count for who, count in agreement.items() if theirs in who.split(" + ")}
    if not accepted:
        return None
    kept = sum(count for who, count in accepted.items() if ours in who.split(" + "))
    return round(kept / sum(accepted.values()), 4)


def _share_lost(agreement: Mapping[str, int]) -> float | None:
    kept = _share_kept(agreement, "ours_exact", "ours")
    return None if kept is None else round(1 - kept, 4)
