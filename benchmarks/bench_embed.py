"""The embed stage with a network beside a bare loop: images per second.

Both read the same shard by offset, use the same decoder, resizing, network, scales and batches. The
stage also sorts by size, keeps notes for a crash, averages, checks and writes its parts; the loop
stacks what it has decoded and forgets what comes out. They take turns, in one process. On a CPU,
figures are of processor time of one thread; on a GPU of the clock, with threads that decode.

    .venv/bin/python benchmarks/bench_embed.py > embed.json
    .venv/bin/python benchmarks/bench_embed.py --network resnet101_gem --long-side 512 \
        --device cuda --precision bfloat16 --batch-size 64 --images 4096 --peak-tflops 989
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from bench_ingest import draw_photograph
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from curation.images import decode_image
from curation.shard_images import ShardImage
from curation.shards import open_shard
from networks.inference import InferenceSettings, NetworkEmbedder, prepare_image
from networks.pixels import fit_group, to_float
from networks.registry import build_network, find_network
from networks.retrieval_network import RetrievalNetwork
from networks.scales import describe_at_scales
from pipelines.embedding_parts import write_embeddings
from pipelines.in_flight import InFlight
from pipelines.network_embedding import Decoding, describe_shard, find_device

SIZES_PX = ((1024, 683), (683, 1024), (800, 600), (768, 1024))
NUM_DISTINCT = 64
"""Drawing is slow: a larger shard holds these again and again."""


def main() -> None:
    arguments = parse_arguments()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    settings = InferenceSettings(
        long_side_px=arguments.long_side,
        scales=tuple(arguments.scales),
        batch_size=arguments.batch_size,
        precision=arguments.precision,
    )
    torch.manual_seed(0)
    network = build_network(find_network(arguments.network))
    if not isinstance(network, RetrievalNetwork):
        raise SystemExit(f"{arguments.network}: no network of global descriptors")
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(arguments, network, settings, Path(folder))
    print(json.dumps({"network": arguments.network, **measured}, indent=1))


def measure(
    arguments: argparse.Namespace,
    network: RetrievalNetwork,
    settings: InferenceSettings,
    folder: Path,
) -> dict[str, object]:
    device = find_device(arguments.device)
    threads = arguments.threads if device.type == "cuda" else 1
    embedder = NetworkEmbedder(network, settings, device=device)
    images = write_shard(folder, arguments.images)
    ways = {
        "stage": partial(run_stage, embedder, images, folder, threads),
        "bare_loop": partial(run_bare_loop, network, images, settings, device, threads),
    }
    seconds = take_turns(ways, arguments.repeats, device)
    rates = {name: len(images) / value for name, value in seconds.items()}
    result = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "decoding_threads": threads,
        "images": len(images),
        **settings.model_dump(mode="json"),
        "images_per_second": {name: round(rate, 3) for name, rate in rates.items()},
        "share_of_bare_loop": round(rates["stage"] / rates["bare_loop"], 3),
    }
    if arguments.peak_tflops:
        teraflops = count_flops(network, embedder, images, device) / 1e12
        result["teraflops_per_image"] = round(teraflops, 4)
        result["share_of_peak"] = round(rates["stage"] * teraflops / arguments.peak_tflops, 4)
    return result


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="resnet18_gem", help="a name of the registry")
    parser.add_argument("--long-side", type=int, default=224)
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=16, help="that decode beside a GPU")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peak-tflops", type=float, help="of the card, at the precision")
    return parser.parse_args()


def write_shard(folder: Path, num_images: int) -> list[ShardImage]:
    """Drawn photographs one after the other in a file, and where each is."""
    rng = np.random.default_rng(0)
    sizes = [SIZES_PX[n % len(SIZES_PX)] for n in range(min(NUM_DISTINCT, num_images))]
    drawn = [draw_photograph(rng, *size) for size in sizes]
    images, offset = [], 0
    with (folder / "shard").open("wb") as stream:
        for number in range(num_images):
            data, size = drawn[number % len(drawn)], sizes[number % len(drawn)]
            stream.write(data)
            name = f"{number:016x}"
            images.append(ShardImage(name, folder / "shard", offset, len(data), *size))
            offset += len(data)
    return images


def run_stage(
    embedder: NetworkEmbedder, images: list[ShardImage], folder: Path, num_threads: int
) -> None:
    decoding = Decoding(num_threads, 60.0, 3600.0)
    with InFlight(folder / "in_flight", {}) as in_flight:
        described = describe_shard(embedder, images, decoding, in_flight)
    write_embeddings(folder / "embeddings.parquet", described, embedder.dimensions)


@torch.inference_mode()
def run_bare_loop(
    network: RetrievalNetwork,
    images: list[ShardImage],
    settings: InferenceSettings,
    device: torch.device,
    num_threads: int,
) -> None:
    dtype = getattr(torch, settings.precision)
    for batch in decode_batches(images, settings, num_threads):
        pixels = batch.pin_memory() if device.type == "cuda" else batch
        floats = to_float(pixels.to(device, non_blocking=True))
        channels_last = floats.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
            describe_at_scales(network, channels_last, settings.scales)


def decode_batches(
    images: list[ShardImage], settings: InferenceSettings, num_threads: int
) -> Iterator[Tensor]:
    """Images in batches of one size; with several threads, all that fits is decoded ahead."""
    side_px = settings.long_side_px
    by_size = sorted(images, key=lambda image: fit_group(image.width, image.height, side_px))
    with ThreadPoolExecutor(num_threads) as pool, open_shard(images[0].shard) as shard:
        files = (shard.read(image.offset, image.num_bytes) for image in by_size)
        decode = partial(decode_one, side_px)
        # The pool takes all the work at once: nothing is ever waited for but the decoder.
        decoded = map(decode, files) if num_threads == 1 else pool.map(decode, files)
        for _, group in groupby(decoded, key=lambda tensor: tensor.shape):
            while tensors := list(islice(group, settings.batch_size)):
                yield torch.stack(tensors)


def decode_one(long_side_px: int, data: bytes) -> Tensor:
    return prepare_image(decode_image(data).pixels, long_side_px)


def take_turns(
    ways: dict[str, Callable[[], None]], num_repeats: int, device: torch.device
) -> dict[str, float]:
    """Median seconds of each way, after one round that does not count."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(num_repeats + 1):
        for name, run in ways.items():
            begun = clock()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if number:
                seconds[name].append(clock() - begun)
    return {name: median(times) for name, times in seconds.items()}


def count_flops(
    network: RetrievalNetwork,
    embedder: NetworkEmbedder,
    images: list[ShardImage],
    device: torch.device,
) -> float:
    """Floating-point operations of the network for an image, on average over the sizes."""
    counts = []
    for image in images[: len(SIZES_PX)]:
        pixels = to_float(embedder.prepare(image.load_image())[None].to(device))
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            describe_at_scales(network, pixels, embedder.settings.scales)
        counts.append(counter.get_total_flops())
    return sum(counts) / len(counts)


if __name__ == "__main__":
    main()
