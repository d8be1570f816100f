"""The classes that the paper removed from GLDv2-clean, and the totals it printed.

Song et al., "On Train-Test Class Overlap and Detection for Image Retrieval", CVPR 2024: the
classes and their sizes are its Table A12, the totals its Table 3. The list of images was never
published; it follows from GLDv2's own `train_clean.csv`.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal

from manifests.manifest_json import SplitCounts

REFERENCE_NAME: Final = "rgldv2_clean_removed.csv"
GLDV2_CLEAN: Final = SplitCounts(images=1_580_470, classes=81_313)
RGLDV2_CLEAN: Final = SplitCounts(images=1_578_905, classes=81_295)
SOURCE: Final = "Song et al. 2024, Table A12"


@dataclass(frozen=True)
class PublishedClass:
    """One class of the published list.

    Attributes:
        landmark_id: GLDv2's class number, which the paper calls GID.
        images: number of images in GLDv2-clean.
        landmark_name: as printed.
        found_by: `text` for the one class that the paper found by its name alone.
        city: whose landmark it is, by its name; the paper's own column disagrees in places.
    """

    landmark_id: int
    images: int
    landmark_name: str
    found_by: Literal["visual", "text"]
    city: Literal["Oxford", "Paris"]


def read_published_classes() -> tuple[PublishedClass, ...]:
    """The 18 classes, by ascending landmark id."""
    text = reference_bytes().decode()
    return tuple(
        PublishedClass(
            int(row["landmark_id"]),
            int(row["images"]),
            row["landmark_name"],
            "text" if row["found_by"] == "text" else "visual",
            "Oxford" if row["city"] == "Oxford" else "Paris",
        )
        for row in csv.DictReader(text.splitlines())
    )


def reference_bytes() -> bytes:
    """The bytes of the list as it ships."""
    return files("manifests.reference").joinpath(REFERENCE_NAME).read_bytes()
