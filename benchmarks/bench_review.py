"""Latency of the review app beside a bare FastAPI route that returns the same bytes.

`python benchmarks/bench_review.py RUN` (the run of `make demo` will do). The two servers run in
processes of their own and are asked in turn, so that what else the machine does hits both alike.
JSON on standard output.
"""

import argparse
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, Response

from cleanmark.review import open_review, serve, start_review
from review_ui.access import AccessSettings
from review_ui.people import Role
from review_ui.pictures import PictureSize

HOST = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", type=Path, nargs="?", default=Path("demo/run"))
    parser.add_argument("--repeats", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/votes.sqlite3"
        measured = _measure(arguments.run_dir, database, arguments.repeats)
    json.dump(measured, sys.stdout, indent=2)
    print()


def _measure(run_dir: Path, database: str, repeats: int) -> dict[str, Any]:
    folder = open_review(run_dir, None, database)
    token = folder.people.invite("bench", Role.REVIEWER, "bench")
    pair = folder.read_run().pairs[0]
    folder.store.engine.dispose()
    paths = {
        "pair page": f"/review?pair={pair.pair_id}",
        "pair": f"/api/pairs/{pair.pair_id}",
        "points": f"/api/pairs/{pair.pair_id}/points",
        "picture": f"/pictures/{pair.image.picture_id}/{PictureSize.VIEW}",
    }
    with _server(_serve_review, run_dir, database) as origin:
        app = httpx2.Client(base_url=origin)
        assert app.post("/api/session", json={"token": token}).status_code == 204
        answers = {path: app.get(path).content for path in paths.values()}
        with _server(_serve_bare, answers) as bare_origin:
            bare = httpx2.Client(base_url=bare_origin)
            rows = [_compare(name, path, app, bare, repeats) for name, path in paths.items()]
    return {"repeats": repeats, "num_pairs": len(folder.read_run().pairs), "routes": rows}


def _compare(
    name: str, path: str, app: httpx2.Client, bare: httpx2.Client, repeats: int
) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"app": [], "bare": []}
    for _ in range(repeats):
        for side, client in (("app", app), ("bare", bare)):
            start = time.perf_counter()
            answer = client.get(path)
            seconds[side].append(time.perf_counter() - start)
            assert answer.status_code == 200, answer.text
    medians = {side: statistics.median(times) for side, times in seconds.items()}
    return {
        "route": name,
        "num_bytes": len(answer.content),
        "app_median_ms": round(1e3 * medians["app"], 3),
        "app_p95_ms": round(1e3 * statistics.quantiles(seconds["app"], n=20)[-1], 3),
        "bare_median_ms": round(1e3 * medians["bare"], 3),
        "ratio": round(medians["app"] / medians["bare"], 2),
    }


@contextmanager
def _server(target: Callable[..., None], *arguments: object) -> Iterator[str]:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=target, args=(port, *arguments))
    process.start()
    origin = f"http://{HOST}:{port}"
    while not _answers(origin):
        if not process.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.05)
    try:
        yield origin
    finally:
        process.terminate()
        process.join()


def _answers(origin: str) -> bool:
    try:
        httpx2.get(f"{origin}/sign-in")
    except httpx2.TransportError:
        return False
    return True


def _serve_review(port: int, run_dir: Path, database: str) -> None:
    folder = open_review(run_dir, None, database)
    review = start_review(folder, AccessSettings(f"http://{HOST}:{port}"))
    with socket.create_server((HOST, port)) as listener:
        serve(review, listener)


def _serve_bare(port: int, answers: dict[str, bytes]) -> None:
    app = FastAPI()

    @app.get("/{path:path}")
    def answer(path: str) -> Response:
        return Response(by_path.get(f"/{path}", b""))

    by_path = {path.partition("?")[0]: content for path, content in answers.items()}
    uvicorn.run(app, host=HOST, port=port, log_level="error")


if __name__ == "__main__":
    main()
