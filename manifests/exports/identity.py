"""What an export calls itself."""

from datetime import date

from pydantic import Field

from manifests.strict_model import StrictModel

LICENSE_ID = "cc-by-4.0"
LICENSE_URL = "https://creativecommons.org/licenses/by/4.0/"
"""Of GLDv2's lists and of what is made of them; every photograph has a licence of its own."""

CITATIONS = (
    "Weyand et al.: Google Landmarks Dataset v2. CVPR 2020.",
    "Song et al.: On Train-Test Class Overlap and Detection for Image Retrieval. CVPR 2024.",
)


class Identity(StrictModel):
    """Name, address and date of an export; none of it depends on the day it is made."""

    name: str = Field("RGLDv2-clean", min_length=1)
    """Title of the dataset card."""
    creator: str = Field("Cleanmark", min_length=1)
    """Who publishes it."""
    url: str = Field("https://github.com/cvdfoundation/google-landmark", pattern=r"^https?://\S+$")
    """Page of the data set; GLDv2's own unless another is given."""
    version: str = Field("1.0.0", pattern=r"^\d+\.\d+\.\d+$")
    """Raise the first number whenever rows were removed or split anew (Croissant 1.1)."""
    published: date | None = None
    """When it was published; left out unless given, so that equal inputs give equal bytes."""
