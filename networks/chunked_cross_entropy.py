"""Cross entropy over very many classes, with the logits of only some of them in memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LogitFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(embeddings, rows of the weights, labels counted from the first of these classes) -> logits."""


def chunked_cross_entropy(
    embeddings: Tensor, weight: Tensor, labels: Tensor, chunk_rows: int, logits_of: LogitFunction
) -> Tensor:
    """Mean cross entropy of softmax, computed over chunks of classes.

    The backward pass computes the logits of every chunk a second time instead of keeping them.

    Args:
        embeddings: float32 (batch, dimensions).
        weight: float32 (rows, dimensions); every class has the same number of rows.
        labels: int64 (batch,), class indices.
        chunk_rows: rows of the weights at a time, a multiple of the rows of a class.
        logits_of: logits of the classes of some rows, (batch, classes); it is given labels
            outside [0, classes) for samples whose class is elsewhere.

    Returns:
        float32 scalar, differentiable once in embeddings and weight.
    """
    loss: Tensor = _ChunkedCrossEntropy.apply(embeddings, weight, labels, chunk_rows, logits_of)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  (torch gives a context of its own making)
        embeddings: Tensor,
        weight: Tensor,
        labels: Tensor,
        chunk_rows: int,
        logits_of: LogitFunction,
    ) -> Tensor:
        total = embeddings.new_full((len(embeddings),), -torch.inf)
        # Stays as it is for a label that no chunk has.
        target = embeddings.new_full((len(embeddings),), torch.nan)
        first_class = 0
        for chunk in torch.split(weight, chunk_rows):
            logits = logits_of(embeddings, chunk, labels - first_class)
            total = torch.logaddexp(total, logits.logsumexp(dim=1))
            target = _replace_targets(target, logits, labels - first_class)
            first_class += logits.shape[1]
        ctx.save_for_backward(embeddings, weight, labels, total)
        ctx.chunk_rows, ctx.logits_of = chunk_rows, logits_of
        return (total - target).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        embeddings, weight, labels, total = ctx.saved_tensors
        grad_embeddings = torch.zeros_like(embeddings)
        grad_weight = torch.empty_like(weight)
        first_class = first_row = 0
        for chunk in torch.split(weight, ctx.chunk_rows):
            inputs = embeddings.detach().requires_grad_(), chunk.detach().requires_grad_()
            with torch.enable_grad():
                logits = ctx.logits_of(*inputs, labels - first_class)
            grad_logits = _softmax_gradient(logits.detach(), total, labels - first_class)
            grad_logits *= grad_loss / len(labels)
            grads = torch.autograd.grad(logits, inputs, grad_logits)
            grad_embeddings += grads[0]
            grad_weight[first_row : first_row + len(chunk)] = grads[1]
            first_class += logits.shape[1]
            first_row += len(chunk)
        return grad_embeddings, grad_weight, None, None, None


def is_inside(labels: Tensor, num_classes: int) -> Tensor:
    """Which labels, counted from the first class of a chunk, are in it; bool (batch,)."""
    return (labels >= 0) & (labels < num_classes)


def _replace_targets(target: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Take the logits of the samples whose class is in this chunk."""
    num_classes = logits.shape[1]
    picked = logits.gather(1, labels.clamp(0, num_classes - 1)[:, None]).squeeze(1)
    return torch.where(is_inside(labels, num_classes), picked, target)


def _softmax_gradient(logits: Tensor, total: Tensor, labels: Tensor) -> Tensor:
    num_classes = logits.shape[1]
    gradient = (logits - total[:, None]).exp()
    column = labels.clamp(0, num_classes - 1)[:, None]
    minus_one = -is_inside(labels, num_classes)[:, None].to(gradient.dtype)
    return gradient.scatter_add_(1, column, minus_one)
