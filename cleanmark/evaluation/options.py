"""What an evaluation is asked to do."""

from pathlib import Path

from pydantic import model_validator

from manifests.strict_model import StrictModel
from networks.inference_settings import InferenceSettings
from training.evaluate import EvaluationSettings
from training.evaluation.descriptor_store import DescribeOptions
from training.evaluation.place_tables import PlaceSettings
from training.evaluation.projection import ProjectionSettings
from training.evaluation.reranking import RerankSettings

NUM_VOTES = 3
"""Nearest training images that vote for the landmark of a test image."""


class EmbedderChoice(StrictModel):
    """What gives the descriptors: exactly one of the first four."""

    checkpoint: Path | None = None
    """A network of this project."""
    run_embedder: Path | None = None
    """A run, whose own VLAD is taken."""
    descriptors: Path | None = None
    """A `.npz` file with `names` and `descriptors`."""
    submission: Path | None = None
    """Answers for GLDv2, instead of descriptors."""
    whitening: Path | None = None
    """Another checkpoint, whose whitening is taken."""
    use_whitening: bool = True
    device: str = "auto"
    """`auto`: a GPU if there is one."""

    @model_validator(mode="after")
    def _check_one(self) -> "EmbedderChoice":
        given = (self.checkpoint, self.run_embedder, self.descriptors, self.submission)
        if sum(path is not None for path in given) != 1:
            raise ValueError(
                "give exactly one of --checkpoint, --vlad, --descriptors and --submission"
            )
        return self


class EvaluateOptions(StrictModel):
    """Everything that the verb `evaluate` is asked to do."""

    sets: tuple[Path, ...]
    """YAML files."""
    embedder: EmbedderChoice
    out: Path
    method: str | None = None
    """What the tables call it; else the name of the file."""
    root: Path | None = None
    """What `{source.root}` stands for in the YAML files."""
    distractors: Path | None = None
    """YAML file of their list, or `.npy` of their descriptors."""
    database: Path | None = None
    """YAML file or run, for sets whose database is elsewhere."""
    run_dir: Path | None = None
    decisions: Path | None = None
    allow_missing: bool = False
    inference: InferenceSettings = InferenceSettings()
    describe: DescribeOptions = DescribeOptions()
    scores: EvaluationSettings = EvaluationSettings()
    places: PlaceSettings = PlaceSettings()
    rerank: RerankSettings | None = None
    projection: ProjectionSettings = ProjectionSettings()

    @property
    def method_name(self) -> str:
        """What the tables call the embedder."""
        chosen = self.embedder
        paths = (chosen.checkpoint, chosen.run_embedder, chosen.descriptors, chosen.submission)
        path = next(path for path in paths if path is not None)
        return self.method or path.stem
