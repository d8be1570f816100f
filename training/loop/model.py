"""Network and loss as one module, so that the processes exchange the gradients of both."""

from typing import Literal, Self

import torch
from torch import Tensor, nn

from networks.pixels import to_float
from networks.retrieval_network import RetrievalNetwork
from training.losses import Objective

BatchNormMode = Literal["local", "synchronised", "frozen"]


class TrainedModel(nn.Module):
    """Images and labels to the loss.

    Attributes:
        network: images to descriptors.
        objective: descriptors and labels to a scalar; has class weights, or no weights at all.
    """

    def __init__(
        self, network: RetrievalNetwork, objective: Objective, batch_norm: BatchNormMode = "local"
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self._is_batch_norm_frozen = batch_norm == "frozen"

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch.

        Args:
            images: uint8 (batch, 3, height, width), RGB.
            labels: int64 (batch,).

        Returns:
            float32 scalar.
        """
        loss: Tensor = self.objective(self.network(to_float(images)), labels)
        return loss

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  (torch's own signature)
        """Switch between training and evaluation, except for what is frozen."""
        super().train(mode)
        if mode and self._is_batch_norm_frozen:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001
                    module.eval()
        return self


def prepare_model(model: TrainedModel, batch_norm: BatchNormMode, device: torch.device) -> None:
    """Put a model on its device, the convolutions in the memory format that GPUs like.

    Raises:
        ValueError: batch normalisation cannot be synchronised there.
    """
    if batch_norm == "synchronised":
        if device.type != "cuda":
            raise ValueError("batch_norm synchronised works on GPUs only: use local or frozen")
        model.network = nn.SyncBatchNorm.convert_sync_batchnorm(model.network)  # type: ignore[no-untyped-call]
    model.to(device)
    model.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
