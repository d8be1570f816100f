"""Take the picture of the review app that README shows: `make review-picture`."""

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from review_server import CHROMIUM, CHROMIUM_ARGUMENTS, serve_review, wait_for

from cleanmark.review_run import read_review_run
from pipelines.run_folder import read_config
from review_ui.database import open_database, sqlite_url
from review_ui.people import Role
from review_ui.votes import EventStore

WINDOW = {"width": 1280, "height": 820}
NUM_DECIDED = 34
"""So many pairs further on, another class shows, and the progress has something to show."""


def take_picture(run_dir: Path, target: Path) -> None:
    """Decide some pairs of a run and take a picture of the next."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(sqlite_url(Path(folder) / "votes.sqlite3"))
        world = read_review_run(run_dir, read_config(run_dir))
        shot = Path(folder) / "shot.png"
        with serve_review(world, EventStore(engine)) as served, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
            page = browser.new_page(viewport=WINDOW)
            page.goto(served.invite("ana", Role.LEAD))
            page.wait_for_url(f"{served.origin}/")
            _show_pair(page, served.origin)
            page.screenshot(path=shot)
            browser.close()
        engine.dispose()
        Image.open(shot).convert("RGB").save(target, optimize=True)


def _show_pair(page: Page, origin: str) -> None:
    page.goto(f"{origin}/review")
    for _ in range(NUM_DECIDED):
        page.wait_for_load_state("networkidle")
        page.keyboard.press("s")
        wait_for(page, "document.getElementById('saved').textContent === 'Saved'")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)


if __name__ == "__main__":
    take_picture(Path(sys.argv[1]), Path(sys.argv[2]))
