"""Losses that compare each image with learned weights of the classes."""

import torch
from pytorch_metric_learning import losses
from torch import Tensor
from torch.nn import functional

from networks.angular_margins import MarginSettings
from networks.arcface import AngularMarginHead
from training.losses.objective import Objective
from training.losses.settings import ProxyNcaSettings


class AngularMarginObjective(Objective):
    """ArcFace, CosFace and sub-center ArcFace, chunk by chunk."""

    def __init__(self, dimensions: int, num_classes: int, settings: MarginSettings) -> None:
        super().__init__()
        self.head = AngularMarginHead(dimensions, num_classes, settings)

    def compute_loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of the scaled cosines with the margin."""
        loss: Tensor = self.head(embeddings, labels)
        return loss

    def compute_class_logits(self, embeddings: Tensor) -> Tensor:
        """Cosines with the nearest sub-centre of each class."""
        # A label that no class has: the margin is then nobody's.
        no_labels = torch.full((len(embeddings),), -1, device=embeddings.device)
        return self.head.logits(embeddings, no_labels) / self.head.scale

    def classify(self, embeddings: Tensor) -> Tensor:
        """The most similar class of each embedding, in the memory of a chunk of classes."""
        return self.head.classify(embeddings)


class ProxyNcaObjective(Objective):
    """ProxyNCA of pytorch-metric-learning."""

    def __init__(self, dimensions: int, num_classes: int, settings: ProxyNcaSettings) -> None:
        super().__init__()
        self._num_classes = num_classes
        self.loss = losses.ProxyNCALoss(num_classes, dimensions, softmax_scale=settings.scale)

    def compute_loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean over the batch of minus the log share of the proxy of the class."""
        # The library leaves an image without a proxy out of the loss, and says nothing.
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self._num_classes:
            raise ValueError(
                f"a label outside 0..{self._num_classes - 1}: "
                f"{int(labels.min())}..{int(labels.max())}; is the manifest's class_index dense?"
            )
        loss: Tensor = self.loss(embeddings, labels)
        return loss

    def compute_class_logits(self, embeddings: Tensor) -> Tensor:
        """Cosines with the proxies."""
        proxies = functional.normalize(self.loss.proxies)
        return functional.linear(functional.normalize(embeddings), proxies)
