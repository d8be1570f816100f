"""The classifier with an angular margin: ArcFace, CosFace and their sub-centre variants.

Memory. At 81,313 classes of 2,048 dimensions the class weights take 635 MiB, their gradient and
the optimiser's momentum as much again; at 203,094 classes 1,587 MiB each. Written the plain way, a
training step would also hold normalised weights, their gradient, and five matrices of logits of
which each takes 40 MiB (99 MiB) at a batch of 128. Here the loss goes through the classes in
chunks and recomputes them in the backward pass: beside weights and gradient, nothing is larger
than a chunk (64 MiB of weights and 4 MiB of logits at the default of 8,192 classes). Measured on a
CPU at 81,313 classes and a batch of 128, forward and backward take 1.0 GiB beside the weights,
the gradient included, against 3.1 GiB the plain way.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from networks.angular_margins import MarginSettings, apply_margin
from networks.chunked_cross_entropy import chunked_cross_entropy, is_inside
from networks.precision import without_autocast


class AngularMarginHead(nn.Module):
    """Class weights and the loss on the angles to them; all computed in float32.

    Attributes:
        weight: float32 (num_classes * sub_centers, dimensions); the sub-centres of a class follow
            one another.
    """

    def __init__(
        self, dimensions: int, num_classes: int, settings: MarginSettings | None = None
    ) -> None:
        super().__init__()
        self.settings = settings or MarginSettings()
        self.num_classes = num_classes
        self.scale = self.settings.resolve_scale(dimensions)
        self.weight = nn.Parameter(torch.empty(num_classes * self.settings.sub_centers, dimensions))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean loss over the batch.

        Args:
            embeddings: (batch, dimensions); their length does not matter.
            labels: int64 (batch,), class indices.

        Returns:
            float32 scalar.

        Raises:
            ValueError: a label names no class. On a GPU the loss is not a number instead, because
                asking would make the host wait in every step.
        """
        if labels.device.type == "cpu" and not is_inside(labels, self.num_classes).all():
            raise ValueError(
                f"a label outside 0..{self.num_classes - 1}: "
                f"{int(labels.min())}..{int(labels.max())}; is the manifest's class_index dense?"
            )
        with without_autocast(embeddings.device):
            unit = functional.normalize(embeddings.float())
            rows = self.settings.chunk_classes * self.settings.sub_centers
            return chunked_cross_entropy(unit, self.weight, labels, rows, self._margin_logits)

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """All logits with the margin, float32 (batch, num_classes); for few classes only."""
        with without_autocast(embeddings.device):
            unit = functional.normalize(embeddings.float())
            return self._margin_logits(unit, self.weight, labels)

    @torch.no_grad()
    def classify(self, embeddings: Tensor) -> Tensor:
        """The most similar class of each embedding, int64 (batch,), chunk by chunk."""
        rows = self.settings.chunk_classes * self.settings.sub_centers
        best = torch.full((len(embeddings),), -torch.inf, device=embeddings.device)
        classes = torch.zeros(len(embeddings), dtype=torch.int64, device=embeddings.device)
        with without_autocast(embeddings.device):
            unit = functional.normalize(embeddings.float())
            for index, chunk in enumerate(torch.split(self.weight, rows)):
                cosine, nearest = self._cosines(unit, chunk).max(dim=1)
                nearer = cosine > best
                best = torch.where(nearer, cosine, best)
                classes = torch.where(
                    nearer, nearest + index * self.settings.chunk_classes, classes
                )
        return classes

    def _cosines(self, unit: Tensor, weight: Tensor) -> Tensor:
        """Cosine with the nearest sub-centre of each class, (batch, classes)."""
        cosine = functional.linear(unit, functional.normalize(weight))
        if self.settings.sub_centers == 1:
            return cosine
        return cosine.reshape(len(unit), -1, self.settings.sub_centers).amax(dim=2)

    def _margin_logits(self, unit: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        """Logits of some classes; a label outside [0, classes) has its class elsewhere."""
        cosine = self._cosines(unit, weight)
        # By index and not by mask: a mask would make the host wait for the device.
        column = labels.clamp(0, cosine.shape[1] - 1)[:, None]
        target = cosine.gather(1, column)
        inside = is_inside(labels, cosine.shape[1])[:, None]
        harder = torch.where(inside, apply_margin(target, self.settings), target)
        return self.scale * cosine.scatter(1, column, harder)
