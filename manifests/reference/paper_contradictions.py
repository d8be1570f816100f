"""Where the paper on RGLDv2-clean disagrees with itself, computed from what it printed.

Song et al., "On Train-Test Class Overlap and Detection for Image Retrieval", CVPR 2024.
"""

from dataclasses import dataclass

from manifests.reference.published_removal import PublishedClass, read_published_classes

_TABLE_2 = {"Paris": (11, 1227), "Oxford": (6, 315), "text": (1, 23)}
"""Classes and images by channel, as Table 2 prints them."""
_QUERIES_IN_PAPER = {"Oxford": 38, "Paris": 36}
_QUERIES_IN_REPOSITORY = {"Oxford": 36, "Paris": 38}
_TERMS = ("oxford", "paris")


@dataclass(frozen=True)
class Contradiction:
    """Two statements of the source that cannot both hold, and what this program goes by."""

    title: str
    details: str
    we_go_by: str


def list_contradictions() -> tuple[Contradiction, ...]:
    """All of them that concern the removed classes."""
    classes = read_published_classes()
    return (
        _compare_table_2(classes),
        _compare_query_counts(),
        _compare_name_rule(classes),
        Contradiction(
            "One class per query",
            "The procedure removes the most matched class of each query, so other classes of the "
            "same place may stay; the split is called free of overlap all the same.",
            "The policy `paper` does the same and names those that stay as runner-ups; "
            "`confirmed` and `strict` remove them.",
        ),
    )


def _compare_table_2(classes: tuple[PublishedClass, ...]) -> Contradiction:
    found = {}
    for channel in _TABLE_2:
        of_it = [c for c in classes if channel == ("text" if c.found_by == "text" else c.city)]
        found[channel] = (len(of_it), sum(c.images for c in of_it))
    printed = ", ".join(f"{name} {n} classes/{i:,} images" for name, (n, i) in _TABLE_2.items())
    listed = ", ".join(f"{name} {n}/{i:,}" for name, (n, i) in found.items())
    return Contradiction(
        "Classes per city",
        f"Table 2 prints {printed}. The classes of Table A12 come to {listed}: the images agree, "
        "the numbers of classes do not.",
        "Table A12, which names every class.",
    )


def _compare_query_counts() -> Contradiction:
    def put(counts: dict[str, int]) -> str:
        return " and ".join(f"{n} {city}" for city, n in counts.items())

    return Contradiction(
        "Overlapping queries",
        f"The paper counts {put(_QUERIES_IN_PAPER)} queries with a match, the authors' repository "
        f"{put(_QUERIES_IN_REPOSITORY)}. The list of queries was never published.",
        "What a run finds: it counts the queries with a confirmed match itself.",
    )


def _compare_name_rule(classes: tuple[PublishedClass, ...]) -> Contradiction:
    named = [c for c in classes if any(term in c.landmark_name.lower() for term in _TERMS)]
    by_name = next(c for c in classes if c.found_by == "text")
    return Contradiction(
        "The class found by its name",
        f"Names that contain Oxford or Paris are candidates, and this found {by_name.landmark_id} "
        f"({by_name.landmark_name}). That name contains neither; {len(named)} other names of "
        "Table A12 do, and are counted as found by their photographs.",
        "The names as GLDv2 lists them, for candidates only: people decide.",
    )
