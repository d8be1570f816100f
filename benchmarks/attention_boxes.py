"""Do CiDeR's attention boxes find the landmark? Trains on drawn scenes, which nobody has boxed.

A scene is a wall of one of some classes, at a random place and size, among clutter that all classes
share. A small CiDeR network learns to tell the classes apart; it is never told where the walls are.
Then the box around the largest region of its attention is compared with the box of the wall, on
scenes that it has not seen, beside the same network before training.

    .venv/bin/python benchmarks/attention_boxes.py [--picture FILE.png] > attention_boxes.json
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from networks.arcface import AngularMarginHead
from networks.cider.boxes import Box, find_boxes
from networks.cider.localization import Localization
from networks.cider.neck import CiderNeck, CiderSettings
from networks.pooling import GeM
from networks.resnet import BasicBlock, ResNet

SIDE_PX = 96
WIDTH = 32
"""Channels of the stem."""


class SmallCider(nn.Module):
    """CiDeR on two narrow stages of a ResNet: small enough for a minute on a CPU.

    Its map has 12 x 12 cells.
    """

    def __init__(self, dimensions: int = 64) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.backbone = ResNet(BasicBlock, (1, 1), width=WIDTH)
        self.neck = CiderNeck(self.backbone.num_channels, CiderSettings())
        self.pooling = GeM()
        self.projection = nn.Linear(self.neck.num_channels, dimensions)

    def forward(self, images: Tensor) -> Tensor:
        """Descriptors (batch, dimensions) of images, uint8 (batch, 3, height, width)."""
        embeddings: Tensor = self.projection(self.pooling(self.neck(self._compute_map(images))))
        return embeddings

    def localize(self, images: Tensor) -> Localization:
        """Attention and masks."""
        return self.neck.localize(self._compute_map(images))

    def _compute_map(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images.float() / 127.5 - 1)
        return features


@dataclass(frozen=True)
class Scenes:
    """Drawn scenes.

    Attributes:
        images: uint8 (n, 3, height, width).
        labels: int64 (n,).
        boxes: float32 (n, 4), left, top, right, bottom of the wall in pixels.
    """

    images: Tensor
    labels: Tensor
    boxes: NDArray[np.float32]


def draw_scenes(rng: np.random.Generator, walls: list[NDArray[np.uint8]], count: int) -> Scenes:
    images, boxes = [], []
    labels = rng.integers(len(walls), size=count)
    for label in labels:
        scene = draw_clutter(rng)
        boxes.append(hang_wall(rng, scene, walls[label]))
        light = rng.uniform(0.7, 1.1) * scene + rng.normal(0, 4, scene.shape)
        images.append(np.clip(light, 0, 255).astype(np.uint8))
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return Scenes(pixels, torch.from_numpy(labels), np.array(boxes, np.float32))


def draw_wall(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Stripes and dots in colours of its own, uint8 (96, 96, 3)."""
    wall = np.full((96, 96, 3), rng.integers(40, 216, 3), np.uint8)
    period, angle = rng.integers(8, 20), rng.uniform(0, np.pi)
    y, x = np.mgrid[:96, :96]
    is_stripe = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period) > 0
    wall[is_stripe] = rng.integers(0, 256, 3)
    step = int(rng.integers(14, 26))
    colour = rng.integers(0, 256, 3).tolist()
    for centre in np.ndindex(96 // step, 96 // step):
        at = (int((centre[0] + 0.5) * step), int((centre[1] + 0.5) * step))
        cv2.circle(wall, at, step // 4, colour, -1)
    return wall


def draw_clutter(rng: np.random.Generator) -> NDArray[np.uint8]:
    coarse = rng.integers(60, 200, (4, 4, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    for _ in range(25):
        centre = rng.integers(0, SIDE_PX, 2)
        corners = (centre + rng.integers(-11, 12, (4, 2))).astype(np.int32)
        cv2.fillConvexPoly(scene, cv2.convexHull(corners), rng.integers(0, 256, 3).tolist())
    return np.asarray(scene, np.uint8)


def hang_wall(
    rng: np.random.Generator, scene: NDArray[np.uint8], wall: NDArray[np.uint8]
) -> tuple[int, int, int, int]:
    """Paste the wall into the scene; return its box."""
    width, height = (int(side) for side in rng.integers(32, 56, 2))
    left, top = (int(rng.integers(0, SIDE_PX - side)) for side in (width, height))
    resized = cv2.resize(wall, (width, height), interpolation=cv2.INTER_AREA)
    scene[top : top + height, left : left + width] = resized
    return left, top, left + width, top + height


def train(network: SmallCider, scenes: Scenes, steps: int, batch_size: int) -> float:
    """Classify by ArcFace; return the accuracy over the last 20 batches."""
    generator = torch.Generator().manual_seed(1)
    head = AngularMarginHead(network.dimensions, int(scenes.labels.max()) + 1)
    parameters = [*network.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    network.train()
    right: list[float] = []
    for _ in range(steps):
        chosen = torch.randint(len(scenes.labels), (batch_size,), generator=generator)
        embeddings = network(scenes.images[chosen])
        labels = scenes.labels[chosen]
        optimiser.zero_grad()
        head(embeddings, labels).backward()
        optimiser.step()
        schedule.step()
        right.append(float((head.classify(embeddings) == labels).float().mean()))
    network.eval()
    return sum(right[-20:]) / len(right[-20:])


@torch.inference_mode()
def measure_boxes(network: SmallCider, scenes: Scenes) -> dict[str, float]:
    """Means over the scenes; every mask of every threshold counts alike."""
    overlaps, inside = [], []
    for image, box in zip(scenes.images, scenes.boxes, strict=True):
        found = network.localize(image[None])
        for mask in found.masks[:, 0]:
            overlaps.append(overlap(find_boxes(mask, SIDE_PX, SIDE_PX), box))
        inside.append(share_inside(found.attention[0], box))
    return {
        "mean_overlap_of_box": round(float(np.mean(overlaps)), 3),
        "share_of_attention_on_landmark": round(float(np.mean(inside)), 3),
    }


def overlap(found: list[Box], truth: NDArray[np.float32]) -> float:
    """Intersection over union of the largest region's box and the wall's; 0 without a region."""
    if not found:
        return 0.0
    box = found[0]
    width = min(box.right, truth[2]) - max(box.left, truth[0])
    height = min(box.bottom, truth[3]) - max(box.top, truth[1])
    common = max(0.0, width) * max(0.0, height)
    areas = (box.right - box.left) * (box.bottom - box.top)
    areas += (truth[2] - truth[0]) * (truth[3] - truth[1])
    return float(common / (areas - common))


def share_inside(attention: Tensor, truth: NDArray[np.float32]) -> float:
    """How much of the attention lies on cells whose centre is on the wall."""
    rows, columns = attention.shape
    y = (torch.arange(rows) + 0.5) * SIDE_PX / rows
    x = (torch.arange(columns) + 0.5) * SIDE_PX / columns
    left, top, right, bottom = truth.tolist()
    is_inside = ((y > top) & (y < bottom))[:, None] & ((x > left) & (x < right))
    return float(attention[is_inside].sum() / attention.sum().clamp(min=1e-6))


@torch.inference_mode()
def draw_boxes(network: SmallCider, scenes: Scenes, count: int = 8) -> NDArray[np.uint8]:
    """Some scenes in a row, RGB: the wall's box in white, the found ones in red."""
    pictures = []
    for image, truth in zip(scenes.images[:count], scenes.boxes, strict=False):
        picture = image.permute(1, 2, 0).numpy().copy(order="C")
        draw_box(picture, truth.tolist(), (255, 255, 255))
        for mask in network.localize(image[None]).masks[:, 0]:
            for box in find_boxes(mask, SIDE_PX, SIDE_PX)[:1]:
                draw_box(picture, [box.left, box.top, box.right, box.bottom], (255, 0, 0))
        pictures.append(np.pad(picture, ((2, 2), (2, 2), (0, 0)), constant_values=255))
    return np.concatenate(pictures, axis=1)


def draw_box(picture: NDArray[np.uint8], box: list[float], colour: tuple[int, int, int]) -> None:
    left, top, right, bottom = (round(side) for side in box)
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, 1)


def run(
    steps: int,
    *,
    num_train: int = 2000,
    num_test: int = 200,
    seed: int = 0,
    picture: Path | None = None,
) -> dict[str, object]:
    """Train and measure; the same arguments give the same figures on one machine.

    Args:
        steps: of training.
        num_train: scenes to train on.
        num_test: others to measure on.
        seed: of everything.
        picture: where boxes are drawn, before training above and after it below.
    """
    rng = np.random.default_rng(seed)
    walls = [draw_wall(rng) for _ in range(12)]
    train_scenes = draw_scenes(rng, walls, num_train)
    test_scenes = draw_scenes(rng, walls, num_test)
    torch.manual_seed(seed)
    network = SmallCider().eval()
    untrained, above = measure_boxes(network, test_scenes), draw_boxes(network, test_scenes)
    begun = time.process_time()
    accuracy = train(network, train_scenes, steps, batch_size=32)
    seconds = time.process_time() - begun
    if picture is not None:
        both = np.concatenate([above, draw_boxes(network, test_scenes)])
        cv2.imwrite(str(picture), cv2.cvtColor(both, cv2.COLOR_RGB2BGR))
    area = np.mean(np.prod(test_scenes.boxes[:, 2:] - test_scenes.boxes[:, :2], axis=1))
    return {
        "steps": steps,
        "training_cpu_seconds": round(seconds, 1),
        "training_accuracy": round(accuracy, 3),
        "landmark_share_of_image": round(float(area) / SIDE_PX**2, 3),
        "untrained": untrained,
        "trained": measure_boxes(network, test_scenes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, help="PNG file: boxes before and after training")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = run(arguments.steps, seed=arguments.seed, picture=arguments.picture)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
