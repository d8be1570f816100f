"""The claim of Song et al. 2024 in miniature: what training on evaluation landmarks is worth.

Photographs generated landmarks. Some landmarks of the evaluation set are training classes too,
in other views. Trains the same small network on four training sets, with several seeds, and
compares the mAP of the queries whose landmarks overlap, and of the others.

    nice .venv/bin/python benchmarks/leak_effect.py > leak_effect.json
"""

import argparse
import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial

import cv2
import numpy as np
import torch
from leak_statistics import Scores, compare_all
from leak_training import TrainingSize, score_landmarks, train_network
from leak_world import World, WorldSize, choose_training_classes, draw_world

WORLD_SEED = 20


def run_seed(
    world: World, size: TrainingSize, seed: int
) -> tuple[dict[str, dict[str, Scores]], float]:
    """Train and evaluate on every training set with one seed; scores and processor seconds."""
    begun = time.process_time()
    scores = {}
    for name, classes in choose_training_classes(world, seed).items():
        images = [pixels for landmark in classes for pixels in world.train[landmark]]
        num_views = [len(world.train[landmark]) for landmark in classes]
        labels = np.repeat(np.arange(len(classes)), num_views)
        network = train_network(images, labels, size, seed)
        scores[name] = score_landmarks(network, world)
        means = {
            kind: round(100 * float(values.mean()), 1) for kind, values in scores[name].items()
        }
        print(f"seed {seed}, {name}, {len(classes)} classes: mAP {means}", file=sys.stderr)
    return scores, time.process_time() - begun


def stack_seeds(runs: list[dict[str, dict[str, Scores]]]) -> dict[str, dict[str, Scores]]:
    """One array (num_seeds, num_landmarks) per training set and kind of query."""
    return {
        name: {kind: np.stack([run[name][kind] for run in runs]) for kind in kinds}
        for name, kinds in runs[0].items()
    }


def use_one_thread() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world-seed", type=int, default=WORLD_SEED, help="another world")
    parser.add_argument("--seeds", type=int, default=4, help="trainings per training set")
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--steps", type=int, default=TrainingSize.num_steps)
    parser.add_argument("--background", type=int, default=WorldSize.num_background)
    arguments = parser.parse_args()
    use_one_thread()
    world_size = WorldSize(num_background=arguments.background)
    training_size = TrainingSize(num_steps=arguments.steps)
    world = draw_world(world_size, arguments.world_seed)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(arguments.workers, context, use_one_thread) as pool:
        runs = list(pool.map(partial(run_seed, world, training_size), range(arguments.seeds)))
    scores = stack_seeds([scores for scores, _ in runs])
    report = {
        "world": {**asdict(world_size), "seed": arguments.world_seed},
        "training": {**asdict(training_size), "seeds": list(range(arguments.seeds))},
        "comparisons": compare_all(scores),
        "cpu_seconds": round(time.process_time() + sum(seconds for _, seconds in runs)),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
