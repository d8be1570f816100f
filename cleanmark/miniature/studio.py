"""Takes all photographs of a cast, in one process or several."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import cv2

from cleanmark.miniature.cast import Shot
from cleanmark.miniature.photograph import take_photograph
from cleanmark.miniature.place import PlaceSpec, build_place
from cleanmark.miniature.seeding import make_generator
from cleanmark.miniature.settings import MiniatureSettings
from cleanmark.miniature.treatments import TREATMENTS


@dataclass(frozen=True)
class Print:
    """A finished picture.

    Attributes:
        name: The shot's name.
        content: The bytes of its file.
        subject_box: Left, top, right, bottom of its subject in pixels.
    """

    name: str
    content: bytes
    subject_box: tuple[float, float, float, float]


def take_all(
    shots: list[Shot],
    settings: MiniatureSettings,
    *,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Print]:
    """Take every shot; the prints are the same for any number of workers.

    Args:
        shots: What to take.
        settings: Seed and size.
        workers: Processes; 1 works in this one.
        progress: Called with the number of pictures done and of all.

    Returns:
        The prints by name.
    """
    rolls = _group_by_place(shots)
    prints: dict[str, Print] = {}
    for taken in _take_rolls(rolls, settings, workers):
        prints.update((print_.name, print_) for print_ in taken)
        if progress is not None:
            progress(len(prints), len(shots))
    return prints


def _group_by_place(shots: list[Shot]) -> list[list[Shot]]:
    """Shots of one place together, for a place is built once; long groups first."""
    rolls: dict[PlaceSpec, list[Shot]] = {}
    for shot in shots:
        rolls.setdefault(shot.place, []).append(shot)
    return sorted(rolls.values(), key=len, reverse=True)


def _take_rolls(
    rolls: list[list[Shot]], settings: MiniatureSettings, workers: int
) -> Iterator[list[Print]]:
    if workers == 1:
        for roll in rolls:
            yield _take_roll(roll, settings)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(_take_roll, roll, settings) for roll in rolls]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            # After a failure the remaining rolls would only delay the message.
            pool.shutdown(cancel_futures=True)


def _take_roll(roll: list[Shot], settings: MiniatureSettings) -> list[Print]:
    """Build a place and take all its pictures, on one thread."""
    num_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        place = build_place(roll[0].place, settings.seed, settings.image_long_side_px)
        prints = []
        for shot in roll:
            rng = make_generator(settings.seed, "photograph", shot.view)
            long_side_px = settings.image_long_side_px
            photograph = take_photograph(rng, place, shot.view_kind, long_side_px)
            content = TREATMENTS[shot.treatment](photograph)
            prints.append(Print(shot.name, content, photograph.subject_box))
        return prints
    finally:
        cv2.setNumThreads(num_threads)
