"""axe-core finds nothing serious, in light and dark; focus can be seen."""

import json
from pathlib import Path

import pytest

from review_ui.people import Role

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ("/", "/review", "/review?show=text", "/classes/902", "/team", "/nothing")


@pytest.fixture(scope="module")
def axe():
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}; `make axe` fetches it from the npm registry")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page, axe, scheme):
    page = open_page("lea", Role.LEAD, color_scheme=scheme)
    origin = page.url.rstrip("/")
    for address in PAGES:
        page.goto(origin + address)
        page.wait_for_load_state("networkidle")
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        serious = [
            (v["id"], [node["html"][:120] for node in v["nodes"]])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == [], f"{address}: {json.dumps(serious, indent=1)}"


def test_focus_can_be_seen_on_everything_that_takes_it(open_page):
    page = open_page("lea", Role.LEAD)
    page.goto(page.url.rstrip("/") + "/review")
    page.wait_for_load_state("networkidle")
    seen = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        outline, what = page.evaluate(
            "[getComputedStyle(document.activeElement).outlineStyle,"
            " document.activeElement.id || document.activeElement.textContent.trim().slice(0, 20)]"
        )
        if page.evaluate("document.activeElement === document.body"):
            break
        seen.add(what)
        assert outline != "none", what
    assert {"undo", "back", "help", "lines"} <= seen
