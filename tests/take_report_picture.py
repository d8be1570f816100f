"""Take the picture of the report that the documents show: `make report-picture`."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, sync_playwright
from review_server import CHROMIUM, CHROMIUM_ARGUMENTS

from cleanmark.reporting.page import write_report

WINDOW = {"width": 1440, "height": 1010}
PAPER = (251, 250, 248)
GAP_PX = 24
WIDTH_PX = 1800
NUM_COLOURS = 200


def take_picture(run_dir: Path, target: Path) -> None:
    """Write the report of a run and show its head, one match graph and one evidence card."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        html = write_report(run_dir, Path(folder) / "report.html")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport=WINDOW, color_scheme="light")
        page.goto(html.as_uri())
        head = _open(page.screenshot())
        graph = _shoot(page.locator("figure.graph").filter(has_text="removed for overlap").first)
        card = _shoot(page.locator("article.card").first)
        browser.close()
    picture = _compose(head, [graph, card])
    picture.quantize(NUM_COLOURS).save(target, optimize=True)


def _shoot(part: Locator) -> Image.Image:
    return _open(part.screenshot())


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _compose(head: Image.Image, parts: list[Image.Image]) -> Image.Image:
    """The head on the left, parts below each other on the right, cut off at the height of it."""
    column = Image.new("RGB", (max(part.width for part in parts), 10_000), PAPER)
    top = 0
    for part in parts:
        column.paste(part, (0, top))
        top += part.height + GAP_PX
    shown = column.crop((0, 0, column.width, round(column.width * 1.32)))
    width = round(shown.width * head.height / shown.height)
    shown = shown.resize((width, head.height), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (head.width + width + 2 * GAP_PX, head.height), PAPER)
    sheet.paste(head, (0, 0))
    sheet.paste(shown, (head.width + GAP_PX, 0))
    height = round(sheet.height * WIDTH_PX / sheet.width)
    return sheet.resize((WIDTH_PX, height), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    take_picture(Path(sys.argv[1]), Path(sys.argv[2]))
