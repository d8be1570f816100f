"""Which loss, and its parameters."""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from manifests.strict_model import StrictModel
from networks.angular_margins import Continuation, MarginSettings

LossName = Literal[
    "arcface",
    "cosface",
    "subcenter_arcface",
    "contrastive",
    "triplet",
    "quadruplet",
    "proxy_nca",
    "nt_xent",
    "multi_similarity",
]
Reduction = Literal["mean_non_zero", "mean", "sum"]
"""`mean_non_zero` leaves out what is already far enough apart, so that the few hard pairs of a
trained network keep their weight; `sum` is what cirtorch does (Radenović et al. 2019)."""

_NEED_POSITIVES: Final = frozenset(
    ("contrastive", "triplet", "quadruplet", "nt_xent", "multi_similarity")
)


class ClassifierSettings(StrictModel):
    """What the losses with class weights and a margin share."""

    scale: Annotated[float, Field(gt=0)] | Literal["sqrt_d"] = 30.0
    """Factor of the cosines; `sqrt_d`: the square root of the descriptor's length."""
    chunk_classes: int = Field(8192, ge=1)
    """Classes whose logits exist at a time."""


class ArcFaceSettings(ClassifierSettings):
    """ArcFace (Deng et al. 2019): a margin on the angle to the weights of the class."""

    margin: float = Field(0.3, ge=0, lt=math.pi / 2)
    """In radians (Song et al. 2024, appendix A)."""
    continuation: Continuation = "hard_margin"
    """What holds at angles above pi - margin; see `networks.angular_margins`."""


class SubCenterSettings(ArcFaceSettings):
    """Sub-center ArcFace (Deng et al. 2020): several weight vectors per class."""

    sub_centers: int = Field(3, ge=2, le=16)
    """Weight vectors per class, of which the nearest counts."""


class CosFaceSettings(ClassifierSettings):
    """CosFace (Wang et al. 2018): a margin on the cosine."""

    margin: float = Field(0.35, ge=0, le=1)
    """A cosine."""


class ContrastiveSettings(StrictModel):
    """Contrastive loss (Hadsell et al. 2006) over all pairs of the batch."""

    margin: float = Field(0.7, gt=0, le=2)
    """Euclidean distance from which on different classes are far enough apart."""
    squared: bool = True
    """Half the squared distance and half the squared violation, as in the paper; if false, both
    plain."""
    reduction: Reduction = "mean_non_zero"


class TripletSettings(StrictModel):
    """Triplet loss on Euclidean distances (Schroff et al. 2015)."""

    margin: float = Field(0.1, gt=0, le=4)
    """By which the negative must be farther away than the positive."""
    squared: bool = True
    """Compare squared distances; loss and miner always use the same."""
    miner: Literal["batch_all", "batch_hard", "semi_hard"] = "batch_all"
    """`batch_all`: every triplet; `batch_hard`: for each anchor the farthest positive and the
    nearest negative (Hermans et al. 2017); `semi_hard`: negatives behind the positive but within
    the margin."""
    reduction: Reduction = "mean_non_zero"


class QuadrupletSettings(StrictModel):
    """Quadruplet loss on squared Euclidean distances (Chen et al. 2017)."""

    margin: float = Field(1.0, gt=0, le=4)
    """By which the negative of the anchor must be farther away than the positive."""
    pair_margin: float = Field(0.5, gt=0, le=4)
    """By which two images of two other classes must be farther apart than anchor and positive;
    the weaker of the two demands."""
    reduction: Literal["mean_non_zero", "mean"] = "mean_non_zero"

    @model_validator(mode="after")
    def _check_margins(self) -> Self:
        if self.pair_margin > self.margin:
            raise ValueError(
                f"pair_margin {self.pair_margin} is above margin {self.margin}: the demand on "
                "pairs without the anchor must be the weaker one; lower pair_margin"
            )
        return self


class ProxyNcaSettings(StrictModel):
    """ProxyNCA (Movshovitz-Attias et al. 2017), the proxy of the class in the denominator too."""

    scale: float = Field(8.0, gt=0, le=20)
    """Factor of the squared distances; above 20 the share of the nearest class could underflow, and
    an image would drop out of the loss unseen."""


class NtXentSettings(StrictModel):
    """NT-Xent or InfoNCE (Chen et al. 2020) over all positive pairs of the batch."""

    temperature: float = Field(0.07, ge=0.025, le=10)
    """Divides the cosines; lower values look at the hardest negatives only, and below 0.025 the
    share of the positive could underflow."""


class MultiSimilaritySettings(StrictModel):
    """Multi-similarity loss (Wang et al. 2019), with the values of GSV-Cities and MixVPR."""

    alpha: float = Field(1.0, gt=0, le=100)
    """Sharpness among positives."""
    beta: float = Field(50.0, gt=0, le=200)
    """Sharpness among negatives."""
    base: float = Field(0.0, ge=-1, le=1)
    """Cosine at which a pair counts neither way."""
    miner_epsilon: Annotated[float, Field(ge=0, le=2)] | None = 0.1
    """Keep the pairs that are harder than the hardest of the other kind less this cosine; null
    keeps all."""


class LossSettings(StrictModel):
    """One name chooses the loss; only its own section may differ from the defaults."""

    name: LossName = "arcface"
    arcface: ArcFaceSettings = ArcFaceSettings()
    cosface: CosFaceSettings = CosFaceSettings()
    subcenter_arcface: SubCenterSettings = SubCenterSettings()
    contrastive: ContrastiveSettings = ContrastiveSettings()
    triplet: TripletSettings = TripletSettings()
    quadruplet: QuadrupletSettings = QuadrupletSettings()
    proxy_nca: ProxyNcaSettings = ProxyNcaSettings()
    nt_xent: NtXentSettings = NtXentSettings()
    multi_similarity: MultiSimilaritySettings = MultiSimilaritySettings()

    @property
    def needs_positives(self) -> bool:
        """Whether the loss compares images of one batch and learns nothing without positives."""
        return self.name in _NEED_POSITIVES

    @property
    def min_classes_per_batch(self) -> int:
        """Classes that a batch needs for the loss to find its negatives."""
        if self.name == "quadruplet":
            return 3
        return 2 if self.needs_positives else 1

    def resolve_margin(self) -> MarginSettings | None:
        """The margin of a loss with class weights, None for the others."""
        if self.name == "cosface":
            return MarginSettings(kind="cosface", **self.cosface.model_dump())
        if self.name == "arcface":
            return MarginSettings(**self.arcface.model_dump())
        if self.name == "subcenter_arcface":
            return MarginSettings(**self.subcenter_arcface.model_dump())
        return None

    def check_batches(self, batch_size: int, images_per_class: int | None) -> None:
        """Refuse batches in which the loss would find nothing to compare.

        Args:
            batch_size: images of a batch in one process.
            images_per_class: images of one class in a batch; None if batches are drawn without
                regard to the class.

        Raises:
            ValueError: names the setting to change.
        """
        if not self.needs_positives:
            return
        if images_per_class is None or images_per_class < 2:
            raise ValueError(
                f"loss {self.name!r} compares images of one class inside a batch, and batches have "
                f"{images_per_class or 'no set number of'} images of a class: let the sampler "
                "draw images_per_class: 4 (2 or more), or choose a loss with class weights, such "
                "as arcface"
            )
        if batch_size < images_per_class * self.min_classes_per_batch:
            raise ValueError(
                f"loss {self.name!r} needs {self.min_classes_per_batch} classes in a batch: with "
                f"images_per_class {images_per_class}, raise the batch size of a process from "
                f"{batch_size} to at least {images_per_class * self.min_classes_per_batch}"
            )

    @model_validator(mode="after")
    def _refuse_unused_sections(self) -> Self:
        defaults = LossSettings.model_fields
        for section in defaults:
            if section in ("name", self.name):
                continue
            if getattr(self, section) != defaults[section].default:
                raise ValueError(
                    f"{section} is set, but the loss is {self.name}: write name: {section} to use "
                    "it, or leave the section out"
                )
        return self
