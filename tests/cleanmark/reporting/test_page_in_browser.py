"""The report in real Chromium: offline, in light and dark, on a telephone, for everybody."""

import json
from pathlib import Path

import pytest
from review_server import CHROMIUM, CHROMIUM_ARGUMENTS

from cleanmark.reporting.page import write_report

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "browser/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def open_report(reviewed, tmp_path_factory):
    """Open the report from its file; whatever it asks for beside that is an error."""
    if not CHROMIUM.is_file():
        pytest.skip(f"no chromium at {CHROMIUM}; `make browser` installs it")
    from playwright.sync_api import sync_playwright

    html = write_report(reviewed.run_dir, tmp_path_factory.mktemp("browser") / "report.html")
    asked = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)

        def open_as(width_px=1280, **options):
            context = browser.new_context(
                viewport={"width": width_px, "height": 900}, offline=True, **options
            )
            page = context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: asked.append(message.text))
            page.goto(html.as_uri())
            return page

        yield open_as
        browser.close()
    assert [url for url in asked if url != html.as_uri() and not url.startswith("data:")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_report, scheme):
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}; `make axe` fetches it from the npm registry")
    page = open_report(color_scheme=scheme)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    assert found == [], json.dumps([(v["id"], v["nodes"][0]["html"][:200]) for v in found])


@pytest.mark.parametrize("width_px", [360, 768, 1280, 1920])
def test_nothing_sticks_out_of_the_window(open_report, width_px):
    page = open_report(width_px)
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px


def test_every_picture_is_drawn(open_report):
    page = open_report()
    sizes = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
    assert len(sizes) > 15
    assert all(complete and width > 0 for complete, width in sizes)


def test_plots_take_the_colours_of_the_scheme(open_report):
    script = "getComputedStyle(document.querySelector('.plot svg text')).fill"
    light, dark = (open_report(color_scheme=s).evaluate(script) for s in ("light", "dark"))
    assert light != dark
