import copy
import math
from itertools import product
from typing import get_args

import pytest
import torch
from pytorch_metric_learning import losses as pml
from torch.nn import functional

from training.losses import LossName, LossSettings, make_objective

NAMES = get_args(LossName)
WITH_CLASSES = ("arcface", "cosface", "subcenter_arcface", "proxy_nca")
VARIANTS = [
    *({"name": name} for name in NAMES),
    {"name": "triplet", "triplet": {"miner": "batch_hard"}},
    {"name": "triplet", "triplet": {"miner": "semi_hard"}},
    {"name": "triplet", "triplet": {"reduction": "mean", "squared": False}},
    {"name": "contrastive", "contrastive": {"reduction": "sum", "squared": False}},
    {"name": "quadruplet", "quadruplet": {"reduction": "mean"}},
    {"name": "multi_similarity", "multi_similarity": {"miner_epsilon": None}},
]
TOY = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
TOY_LABELS = torch.tensor([0, 0, 1, 1])


def make(num_classes=2, dimensions=2, **options):
    torch.manual_seed(0)
    return make_objective(LossSettings.model_validate(options), num_classes, dimensions)


def draw_batch(labels, dimensions=6, seed=1):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(labels), dimensions, generator=generator)
    return functional.normalize(embeddings).requires_grad_(), torch.tensor(labels)


def describe(options):
    section = options.get(options["name"], {})
    return "-".join([options["name"], *map(str, section.values())])


variants = pytest.mark.parametrize("options", VARIANTS, ids=describe)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "contrastive", "contrastive": {"margin": 1.0, "squared": False}}, 0.738028),
        (
            {
                "name": "contrastive",
                "contrastive": {"margin": 1.0, "squared": False, "reduction": "mean"},
            },
            0.658849,
        ),
        ({"name": "triplet", "triplet": {"margin": 0.5, "squared": False}}, 0.238028),
        (
            {"name": "triplet", "triplet": {"margin": 0.5, "squared": False, "reduction": "mean"}},
            0.059507,
        ),
        ({"name": "triplet", "triplet": {"margin": 0.5}}, 0.1),
        ({"name": "triplet", "triplet": {"margin": 1.0, "squared": False}}, 0.391504),
        ({"name": "nt_xent", "nt_xent": {"temperature": 0.5}}, 0.430190),
        ({"name": "nt_xent"}, 0.0279325),
        ({"name": "multi_similarity", "multi_similarity": {"miner_epsilon": None}}, 0.678032),
    ],
)
def test_numbers_worked_out_by_hand(options, expected):
    assert make(**options)(TOY, TOY_LABELS).item() == pytest.approx(expected, abs=2e-6)


def test_proxy_nca_with_proxies_on_the_axes():
    objective = make(name="proxy_nca", proxy_nca={"scale": 1.0})
    with torch.no_grad():
        objective.loss.proxies.copy_(torch.eye(2))
    assert objective(TOY, TOY_LABELS).item() == pytest.approx(0.206476, abs=2e-6)


def test_a_squared_contrastive_pair():
    together = make(name="contrastive")(TOY[:2], torch.tensor([0, 0]))
    assert together.item() == pytest.approx(0.2)
    apart = make(name="contrastive", contrastive={"margin": 2.0})(TOY[[0, 2]], torch.tensor([0, 1]))
    assert apart.item() == pytest.approx((2 - math.sqrt(2)) ** 2 / 2)


def test_triplets_of_batch_hard_and_semi_hard_against_loops():
    embeddings, labels = draw_batch([0, 0, 0, 1, 1, 2, 2, 2, 2])
    squared = (embeddings[:, None] - embeddings[None]).square().sum(dim=2).detach()
    hard, semi_hard = [], []
    for a in range(9):
        positives = [p for p in range(9) if p != a and labels[p] == labels[a]]
        negatives = [n for n in range(9) if labels[n] != labels[a]]
        hard.append(max(squared[a, positives]) - min(squared[a, negatives]) + 0.3)
        for p, n in product(positives, negatives):
            if squared[a, p] < squared[a, n] < squared[a, p] + 0.3:
                semi_hard.append(squared[a, p] - squared[a, n] + 0.3)
    for miner, violations in (("batch_hard", hard), ("semi_hard", semi_hard)):
        assert violations
        counted = [violation.item() for violation in violations if violation > 0]
        objective = make(name="triplet", triplet={"miner": miner, "margin": 0.3})
        expected = sum(counted) / len(counted)
        assert objective(embeddings, labels).item() == pytest.approx(expected, abs=1e-5)


DEGREES = math.degrees(0.3)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("arcface", pml.ArcFaceLoss, {"margin": DEGREES}),
        ("cosface", pml.CosFaceLoss, {"margin": 0.35}),
        ("subcenter_arcface", pml.SubCenterArcFaceLoss, {"margin": DEGREES, "sub_centers": 3}),
    ],
)
def test_our_margins_agree_with_the_library_in_degrees(name, kind, options):
    ours = make(7, 5, name=name)
    theirs = kind(num_classes=7, embedding_size=5, scale=30, **options)
    with torch.no_grad():
        theirs.W.copy_(ours.head.weight.T)
    embeddings, labels = draw_batch([0, 1, 2, 3, 4, 5, 6, 0, 1], 5)
    with torch.no_grad():
        # Nearly opposite to all weights of its class: beyond the limit of the margin.
        away = 0.1 * embeddings[8] - ours.head.weight.reshape(7, -1, 5)[1].mean(0)
        embeddings[8] = functional.normalize(away, dim=0)
    our_loss, their_loss = ours(embeddings, labels), theirs(embeddings, labels)
    assert our_loss.item() == pytest.approx(their_loss.item(), rel=1e-5)
    (our_gradient,) = torch.autograd.grad(our_loss, [ours.head.weight])
    (their_gradient,) = torch.autograd.grad(their_loss, [theirs.W])
    assert torch.allclose(our_gradient, their_gradient.T, atol=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_image_exactly_at_its_class_or_opposite_has_finite_gradients(sign):
    # Those of the library are NaN here.
    objective = make(7, 5, name="arcface")
    embeddings = sign * functional.normalize(objective.head.weight.detach())
    objective(embeddings.requires_grad_(), torch.arange(7)).backward()
    assert torch.isfinite(embeddings.grad).all()
    assert torch.isfinite(objective.head.weight.grad).all()


@variants
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [1, 1, 1, 1], [2]], ids=str)
def test_a_batch_with_nothing_to_compare_has_a_loss_that_can_be_differentiated(options, labels):
    objective = make(4, 6, **options)
    embeddings, labels = draw_batch(labels)
    loss = objective(embeddings, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(embeddings.grad).all()
    lacks_triplets = options["name"] not in (*WITH_CLASSES, "contrastive", "multi_similarity")
    if lacks_triplets or (len(labels) == 1 and options["name"] not in WITH_CLASSES):
        assert loss.item() == 0
        assert not embeddings.grad.any()


@variants
def test_two_equal_images_have_finite_gradients(options):
    embeddings, labels = draw_batch([0, 0, 1, 1, 2, 2])
    with torch.no_grad():
        embeddings[1] = embeddings[0]
        embeddings[2] = embeddings[0]
    make(3, 6, **options)(embeddings, labels).backward()
    assert torch.isfinite(embeddings.grad).all()


@variants
def test_a_step_along_the_gradient_lowers_the_loss(options):
    objective = make(3, 6, **options)
    embeddings, labels = draw_batch([0, 0, 1, 1, 2, 2])
    loss = objective(embeddings, labels)
    (gradient,) = torch.autograd.grad(loss, [embeddings])
    assert gradient.any()
    moved = functional.normalize(embeddings - 1e-3 * gradient / gradient.norm())
    assert objective(moved, labels) < loss


@variants
def test_autocast_does_not_reach_the_loss(options):
    embeddings, labels = draw_batch([0, 0, 1, 1, 2, 2])
    halved = embeddings.detach().bfloat16()
    expected = make(3, 6, **options)(halved.float(), labels)
    with torch.autocast("cpu", torch.bfloat16):
        loss = make(3, 6, **options)(halved, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == expected.item()


@variants
def test_the_order_of_the_batch_does_not_matter(options):
    embeddings, labels = draw_batch([0, 0, 1, 1, 2, 2, 2])
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    objective = make(3, 6, **options)
    swapped = objective(embeddings[order], labels[order])
    assert objective(embeddings, labels).item() == pytest.approx(swapped.item(), rel=1e-5)


@variants
def test_weights_come_back_from_a_state_dict(options):
    trained, fresh = make(3, 6, **options), make(3, 6, **options)
    embeddings, labels = draw_batch([0, 0, 1, 1, 2, 2])
    with torch.no_grad():
        for weight in trained.parameters():
            weight.add_(1.0)
    fresh.load_state_dict(copy.deepcopy(trained.state_dict()))
    assert fresh(embeddings, labels).item() == trained(embeddings, labels).item()


@pytest.mark.parametrize("name", NAMES)
def test_cosines_with_the_classes_where_there_are_weights(name):
    objective = make(5, 6, name=name)
    embeddings, _ = draw_batch([0, 1, 2])
    logits, classes = objective.class_logits(embeddings), objective.classify(embeddings)
    if name not in WITH_CLASSES:
        assert logits is None
        assert classes is None
        return
    (weight,) = objective.parameters()
    weight = weight.detach().reshape(5, -1, 6)
    for i, j in product(range(3), range(5)):
        cosine = max(functional.cosine_similarity(embeddings[i], row, 0) for row in weight[j])
        assert logits[i, j].item() == pytest.approx(cosine.item(), abs=1e-6)
    assert torch.equal(classes, logits.argmax(dim=1))
    assert not logits.requires_grad


@pytest.mark.parametrize("name", WITH_CLASSES)
@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_without_a_class_is_refused(name, label):
    embeddings, _ = draw_batch([0, 0])
    with pytest.raises(ValueError, match=r"a label outside 0\.\.3.*class_index dense"):
        make(4, 6, name=name)(embeddings, torch.tensor([0, label]))


@pytest.mark.parametrize("name", NAMES)
def test_one_class_cannot_be_told_from_others(name):
    with pytest.raises(ValueError, match="1 training classes"):
        make(1, 6, name=name)
