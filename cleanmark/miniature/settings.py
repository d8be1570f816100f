"""What a miniature is made from."""

from pydantic import Field, model_validator

from manifests.strict_model import StrictModel

SMALLEST_NUM_LANDMARKS = 12  # nine classes have a part to play, two host companions, one is plain


class MiniatureSettings(StrictModel):
    """Size and seed of the miniature data set.

    Attributes:
        seed: Decides everything; another seed gives another world.
        num_landmarks: Training classes.
        min_views: Fewest photographs of a class, before anything is planted.
        max_views: Most photographs of a class, before anything is planted.
        image_long_side_px: Longer side of a photograph; some are smaller.
        num_shards: Training tar files.
        num_queries: Evaluation queries.
        num_database_images: Evaluation images that are not queries.
    """

    seed: int = Field(20, ge=0)
    num_landmarks: int = Field(40, ge=SMALLEST_NUM_LANDMARKS, le=300)
    min_views: int = Field(8, ge=3)
    max_views: int = Field(20, ge=3, le=500)
    image_long_side_px: int = Field(640, ge=160, le=2048)
    num_shards: int = Field(4, ge=1, le=1000)
    num_queries: int = Field(14, ge=8)
    num_database_images: int = Field(25, ge=12)

    @model_validator(mode="after")
    def _check_views(self) -> "MiniatureSettings":
        if self.max_views < self.min_views:
            raise ValueError(
                f"max_views is {self.max_views}, below min_views, which is {self.min_views}; "
                "raise the one or lower the other"
            )
        return self


TINY = MiniatureSettings(
    num_landmarks=12,
    min_views=3,
    max_views=4,
    image_long_side_px=200,
    num_shards=2,
    num_queries=8,
    num_database_images=12,
)
