"""What the trainer expects of every loss."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from networks.precision import without_autocast


class Objective(nn.Module, ABC):
    """A loss over a batch, with whatever weights it learns.

    Under data parallelism every process computes the loss of its own part of the batch. For losses
    with class weights, the mean over equal parts is that of the whole batch. Losses of pairs,
    triplets and quadruplets see only those inside one part: two processes of 64 images make fewer
    negatives than one of 128, and their mean is another number.
    """

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch, in float32 even inside autocast.

        Args:
            embeddings: (batch, dimensions), of unit length.
            labels: int64 (batch,), class indices.

        Returns:
            float32 scalar; zero, with a gradient of zeros, when the batch has nothing to compare.

        Raises:
            ValueError: a label names no class, for losses with class weights.
        """
        with without_autocast(embeddings.device):
            return self.compute_loss(embeddings.float(), labels)

    @abstractmethod
    def compute_loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of float32 embeddings; see `forward`."""

    @torch.no_grad()
    def class_logits(self, embeddings: Tensor) -> Tensor | None:
        """Cosine of each embedding with each class, without a margin.

        Args:
            embeddings: (batch, dimensions), of unit length.

        Returns:
            float32 (batch, num_classes); None for a loss that has no class weights.
        """
        with without_autocast(embeddings.device):
            return self.compute_class_logits(embeddings.float())

    def compute_class_logits(self, embeddings: Tensor) -> Tensor | None:  # noqa: ARG002  (losses of pairs know no classes)
        """The cosines of float32 embeddings; see `class_logits`."""
        return None

    @torch.no_grad()
    def classify(self, embeddings: Tensor) -> Tensor | None:
        """The most similar class of each embedding, int64 (batch,); None without class weights."""
        logits = self.class_logits(embeddings)
        return None if logits is None else logits.argmax(dim=1)
