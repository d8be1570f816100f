"""What a reviewer does, in real Chromium."""

import pytest
from playwright.sync_api import expect
from review_server import wait_for
from review_world import NUM_PAIRS

from manifests.rows import Decision
from review_ui.people import Role

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}
# A window of 1440 x 900 at 200 % zoom.
ZOOMED = {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2}


def _begin(page, address="/review"):
    page.goto(page.url.rstrip("/").partition("/sign-in")[0].split("/review")[0] + address)
    _ready(page)


def _ready(page):
    """Wait until the photographs of the pair are there."""
    wait_for(
        page,
        "[...document.querySelectorAll('.panel img')]"
        ".every(i => !i.getAttribute('src') || i.classList.contains('ready'))"
        " && document.getElementById('title').textContent.trim() !== ''",
    )


def _shown(page):
    return page.evaluate("new URL(location.href).searchParams.get('pair')")


def _press(page, key):
    """Press a key that leads to another pair, and wait for it."""
    before = _shown(page)
    page.keyboard.press(key)
    wait_for(
        page,
        "before => document.body.classList.contains('is-finished')"
        " || new URL(location.href).searchParams.get('pair') !== before",
        before,
    )
    if not page.evaluate("document.body.classList.contains('is-finished')"):
        _ready(page)


def _saved(page):
    expect(page.locator("#saved")).to_have_text("Saved")


def _decisions(store, reviewer):
    return {v.content_key: v.decision for v in store.votes(reviewer=reviewer)}


def test_thirty_pairs_with_the_keyboard_alone(open_page, world, store, screenshots):
    page = open_page("ana")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.get_by_role("link", name="Begin").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/review**")
    _ready(page)
    page.screenshot(path=screenshots / "pair.png")
    for number in range(NUM_PAIRS):
        _press(page, "sdu"[number % 3])
    expect(page.get_by_role("heading", name="You have decided every pair")).to_be_visible()
    _saved(page)
    page.screenshot(path=screenshots / "finished.png")
    decisions = _decisions(store, "ana")
    expected = [Decision.SAME, Decision.DIFFERENT, Decision.UNSURE] * (NUM_PAIRS // 3)
    assert [decisions[pair.content_key] for pair in world.pairs] == expected
    assert store.verify() == []


def test_undo_takes_votes_back_one_by_one(open_page, world, store):
    page = open_page("ana")
    _begin(page)
    for key in "sdu":
        _press(page, key)
    _press(page, "z")
    assert _shown(page) == world.pairs[2].pair_id
    expect(page.locator("[aria-pressed=true]")).to_have_count(0)
    _press(page, "z")
    _saved(page)
    assert list(_decisions(store, "ana").values()) == [Decision.SAME]
    _press(page, "s")
    _press(page, "ArrowLeft")
    expect(page.locator(".answer.same")).to_have_attribute("aria-pressed", "true")
    _press(page, "d")
    _press(page, "z")
    _saved(page)
    assert _decisions(store, "ana")[world.pairs[1].content_key] is Decision.SAME


def test_two_reviewers_do_not_see_each_other_before_voting(open_page, world, store):
    ana, ben = open_page("ana"), open_page("ben")
    _begin(ana)
    _press(ana, "s")
    _saved(ana)
    _begin(ben)
    assert "ana" not in ben.content()
    _press(ben, "d")
    expect(ben.locator("#toast")).to_have_text("Disputed: ana says same")
    _press(ben, "ArrowLeft")
    expect(ben.locator("#said")).to_have_text("ana: same · disputed")
    expect(ben.locator("#settle")).to_be_hidden()


def test_a_disputed_pair_is_settled_by_a_lead(open_page, world, store, screenshots):
    pages = {name: open_page(name) for name in ("ana", "ben")}
    for name, key in (("ana", "s"), ("ben", "d")):
        _begin(pages[name])
        _press(pages[name], key)
        _saved(pages[name])
    lea = open_page("lea", Role.LEAD)
    _begin(lea, "/review?show=disputed")
    expect(lea.locator("#settle")).to_be_hidden()
    lea.keyboard.press("u")
    _saved(lea)
    expect(lea.locator("#said")).to_have_text("ana: same · ben: different · disputed")
    lea.screenshot(path=screenshots / "disputed.png")
    lea.get_by_placeholder("Why (optional)").fill("the same arch")
    lea.locator("#settle").get_by_role("button", name="Same").click()
    expect(lea.locator("#said")).to_contain_text("settled by lea: same (the same arch)")
    settled = store.find_adjudication(world.pairs[0].content_key)
    assert (settled.reviewer, settled.decision) == ("lea", Decision.SAME)
    _begin(pages["ana"], f"/review?show=all&pair={world.pairs[0].pair_id}")
    expect(pages["ana"].locator("#said")).to_contain_text("settled by lea: same")


def test_a_class_is_decided_at_once_and_taken_back(open_page, world, store, screenshots):
    page = open_page("ana")
    page.get_by_role("link", name="Stone Bridge").click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=screenshots / "class.png", full_page=True)
    pairs = {pair.content_key for pair in world.pairs_of_class[902]}
    page.get_by_role("button", name="All same").click()
    expect(page.locator("#class-done-text")).to_have_text(f"{len(pairs)} recorded as same.")
    expect(page.locator(".outcomes .goes")).to_have_count(3)
    assert _decisions(store, "ana") == dict.fromkeys(pairs, Decision.SAME)
    page.screenshot(path=screenshots / "class_decided.png", full_page=True)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".outcomes .goes")).to_have_count(1)
    assert _decisions(store, "ana") == {}


def test_the_class_view_says_that_the_papers_policy_leaves_the_second_class(open_page):
    page = open_page("ana")
    for name in ("Bridge of Sighs", "Stone Bridge"):
        page.goto(page.url.split("/classes")[0].rstrip("/") + "/")
        page.get_by_role("link", name=name).click()
        page.get_by_role("button", name="All same").click()
        _saved(page)
    expect(page.locator(".outcomes .goes")).to_have_count(3)
    table = page.get_by_role("table")
    expect(table).to_contain_text("8 Stone Bridge removed by paper")
    expect(table).to_contain_text("6 Bridge of Sighs runner-up")


def test_a_reload_in_the_middle_loses_nothing(open_page, store):
    page = open_page("ana")
    _begin(page)
    for key in "ssd":
        _press(page, key)
    shown = _shown(page)
    page.keyboard.press("s")
    page.reload()
    _ready(page)
    wait_for(page, "localStorage.getItem('cleanmark-outbox:ana') === '[]'")
    assert len(_decisions(store, "ana")) == 4
    assert shown is not None
    assert store.verify() == []


def test_a_lost_connection_loses_nothing(open_page, store):
    page = open_page("ana")
    _begin(page)
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    for key in "sd":
        _press(page, key)
    expect(page.locator("#saved")).to_have_text("No connection, 2 waiting")
    assert _decisions(store, "ana") == {}
    page.context.set_offline(False)
    _saved(page)
    assert sorted(_decisions(store, "ana").values()) == [Decision.DIFFERENT, Decision.SAME]


def test_the_next_pairs_are_there_before_they_are_asked_for(open_page):
    page = open_page("ana")
    _begin(page)
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    _press(page, "ArrowRight")
    shown = _shown(page)
    assert not any(f"/api/pairs/{shown}" in url for url in asked)


def test_lines_are_drawn_and_switched_off_by_a_key(open_page):
    page = open_page("ana")
    _begin(page)
    count = """() => {
      const canvas = document.getElementById('overlay');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      let drawn = 0;
      for (let i = 3; i < data.length; i += 4) if (data[i]) drawn += 1;
      return drawn;
    }"""
    wait_for(page, f"({count})() > 3000")
    lines = page.evaluate(count)
    page.keyboard.press("l")
    points = page.evaluate(count)
    page.keyboard.press("l")
    nothing = page.evaluate(count)
    assert lines > points > nothing


def test_both_photographs_zoom_and_pan_in_step(open_page):
    page = open_page("ana")
    _begin(page)
    read = (
        "[...document.querySelectorAll('.panel img')].map(i => i.style.width + i.style.transform)"
    )
    before = page.evaluate(read)
    for _ in range(3):
        page.keyboard.press("+")
    query, image = page.evaluate(read)
    assert query == image != before[0]
    frame = page.locator("#panel-image .frame").bounding_box()
    page.mouse.move(frame["x"] + 200, frame["y"] + 200)
    page.mouse.down()
    page.mouse.move(frame["x"] + 150, frame["y"] + 180, steps=3)
    page.mouse.up()
    moved = page.evaluate(read)
    assert moved[0] == moved[1] != query
    page.keyboard.press("0")
    assert page.evaluate(read) == before


def test_everything_works_with_mouse_and_touch(open_page, store):
    page = open_page("ana", **PHONE)
    _begin(page)
    for name in ("Same", "Different", "Unsure", "Back", "Forward", "Undo", "Lines"):
        page.get_by_role("button", name=name, exact=True).tap()
        _ready(page)
    _saved(page)
    assert sorted(_decisions(store, "ana").values()) == [Decision.DIFFERENT, Decision.SAME]
    page.get_by_role("button", name="Help").tap()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Close").tap()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_held_key_decides_one_pair(open_page, store):
    page = open_page("ana")
    _begin(page)
    page.keyboard.down("s")
    page.keyboard.down("s")
    page.keyboard.down("s")
    page.keyboard.up("s")
    _saved(page)
    assert len(_decisions(store, "ana")) == 1


@pytest.mark.parametrize(("name", "options"), [("phone", PHONE), ("zoomed", ZOOMED)])
def test_no_page_is_wider_than_the_window(open_page, screenshots, name, options):
    page = open_page("lea", Role.LEAD, **options)
    origin = page.url.rstrip("/")
    for address in ("/", "/review", "/review?show=text", "/classes/902", "/team", "/nothing"):
        page.goto(origin + address)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=screenshots / f"{name}_{address.strip('/?').replace('/', '_')}.png")
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], address


def test_a_link_signs_in_and_leaves_no_token_behind(open_page, served):
    page = open_page("ana")
    assert page.evaluate("location.href") == f"{served.origin}/"
    assert page.evaluate("document.cookie") == ""
    page.go_back()
    assert "#" not in page.url
    page.goto(f"{served.origin}/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto(f"{served.origin}/review")
    assert page.url.endswith("/sign-in")
    page.get_by_label("Link").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")


def test_a_lead_invites_and_revokes(open_page, served):
    page = open_page("lea", Role.LEAD)
    page.goto(f"{served.origin}/team")
    page.get_by_label("Name").fill("cy")
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#invite-result code")).to_contain_text("/sign-in#")
    page.reload()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke, really?").click()
    expect(page.get_by_role("row", name="cy")).to_contain_text("revoked")
