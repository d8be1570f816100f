import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from networks.angular_margins import MarginSettings
from networks.arcface import AngularMarginHead


def toy_head(**options):
    head = AngularMarginHead(2, 3, MarginSettings(**options))
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    return head


def random_case(num_classes=23, dimensions=8, batch=6, **options):
    torch.manual_seed(3)
    head = AngularMarginHead(dimensions, num_classes, MarginSettings(**options))
    embeddings = torch.randn(batch, dimensions, requires_grad=True)
    return head, embeddings, torch.randint(num_classes, (batch,))


@pytest.mark.parametrize(
    ("options", "loss"),
    [({}, 9.664350), ({"kind": "cosface", "margin": 0.35}, 10.756423)],
)
@pytest.mark.parametrize("chunk_classes", [1, 2, 8192])
def test_a_toy_that_other_libraries_agree_on(options, loss, chunk_classes):
    head = toy_head(chunk_classes=chunk_classes, **options)
    embeddings = torch.tensor([[0.9, 0.19**0.5], [0.5, 0.75**0.5]])
    assert head(embeddings, torch.tensor([0, 0])).item() == pytest.approx(loss, abs=5e-6)


@pytest.mark.parametrize("options", [{}, {"sub_centers": 3}, {"kind": "cosface"}])
@pytest.mark.parametrize("chunk_classes", [1, 5, 23, 100])
def test_chunks_change_neither_loss_nor_gradients(options, chunk_classes):
    head, embeddings, labels = random_case(chunk_classes=chunk_classes, **options)
    inputs = (embeddings, head.weight)
    plain = functional.cross_entropy(head.logits(embeddings, labels), labels)
    plain_gradients = torch.autograd.grad(plain, inputs)
    loss = head(embeddings, labels)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    for chunked, expected in zip(torch.autograd.grad(loss, inputs), plain_gradients, strict=True):
        assert torch.allclose(chunked, expected, atol=1e-5)


def test_the_gradient_scales_with_what_comes_after():
    head, embeddings, labels = random_case(chunk_classes=7)
    (once,) = torch.autograd.grad(head(embeddings, labels), [head.weight])
    (twice,) = torch.autograd.grad(2 * head(embeddings, labels), [head.weight])
    assert torch.allclose(twice, 2 * once)


def test_logits_against_cosines_one_by_one():
    head, embeddings, labels = random_case(sub_centers=2)
    logits = head.logits(embeddings, labels)
    for i in range(len(embeddings)):
        for j in range(head.num_classes):
            rows = head.weight[2 * j : 2 * j + 2]
            cosine = max(functional.cosine_similarity(embeddings[i], row, 0) for row in rows)
            if j == labels[i]:
                cosine = torch.cos(torch.acos(cosine) + 0.3)
            assert logits[i, j].item() == pytest.approx(30 * cosine.item(), abs=1e-3)


def test_the_class_is_found_chunk_by_chunk():
    head, embeddings, labels = random_case(chunk_classes=4, sub_centers=2)
    without_margin = AngularMarginHead(8, 23, MarginSettings(margin=0.0, sub_centers=2))
    without_margin.load_state_dict(head.state_dict())
    expected = without_margin.logits(embeddings, labels).argmax(dim=1)
    assert torch.equal(head.classify(embeddings), expected)


class LargestAllocations(TorchDispatchMode):
    """Remembers the storages of more than `limit` numbers that operations return."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit
        self.large = {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage.nbytes() > 4 * self.limit:
                    # Kept alive, so that no other storage gets its address.
                    self.large[storage.data_ptr()] = storage
        return result


def test_beside_weights_and_their_gradient_nothing_is_larger_than_a_chunk():
    head, embeddings, labels = random_case(num_classes=1000, batch=12, chunk_classes=50)
    with LargestAllocations(limit=50 * 12) as allocations:
        head(embeddings, labels).backward()
    ours = {head.weight.untyped_storage().data_ptr(), head.weight.grad.untyped_storage().data_ptr()}
    assert set(allocations.large) - ours == set()


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_without_a_class_is_refused(label):
    with pytest.raises(ValueError, match=rf"outside 0\.\.2: 0\.\.{label}|outside 0\.\.2: -1"):
        toy_head()(torch.ones(2, 2), torch.tensor([0, label]))


def test_half_precision_embeddings_give_a_single_precision_loss():
    head, embeddings, labels = random_case()
    with torch.autocast("cpu", torch.bfloat16):
        loss = head(embeddings.bfloat16(), labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(head(embeddings.bfloat16().float(), labels).item())
