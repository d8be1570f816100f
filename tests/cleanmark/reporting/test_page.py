"""The report of a very small run as a whole, as a reader of the HTML finds it."""

import base64
import io
import re
import shutil
from itertools import pairwise

import pytest
import tiny_run
from PIL import Image
from report_pages import read_page

from cleanmark.reporting.classes import spread
from cleanmark.reporting.page import ReportSettings, write_report
from cleanmark.reporting.pictures import MissingPictureError, PictureInliner
from manifests.rows import MEANINGS, ImageReason, ImageStatus
from pipelines.run_folder import RunFolderError


def test_the_headline_repeats_the_manifest(job, page):
    manifest = job.manifest
    assert manifest.ingested == tiny_run.NUM_IMAGES
    overview = page.sections["overview"]
    for words in (
        f"{manifest.ingested} photographs came in, in {len(tiny_run.NAMES)} classes",
        f"{manifest.counts.images} are published, in {manifest.counts.classes} classes",
        f"{manifest.counts.splits['train'].images} to train on",
        f"{manifest.pending} candidates wait",
    ):
        assert words in overview


def test_the_funnel_balances_and_repeats_the_manifest(job, page):
    manifest = job.manifest
    unusable = sum(manifest.removed["ingest"].values())
    usable = manifest.ingested - unusable
    dropped = sum(manifest.removed["clean"].values())
    rows = [page.row(title) for title in ("Usable", "Verified", "Without overlap")]
    assert [row[1:4] for row in rows] == [
        [str(manifest.ingested), str(unusable), str(usable)],
        [str(usable), str(dropped), str(manifest.gldv2_clean.images)],
        [str(manifest.gldv2_clean.images), "0", str(manifest.counts.images)],
    ]
    assert all("balanced" in row[4] for row in rows)
    for _, num_in, num_dropped, num_kept, _ in rows:
        assert int(num_in) == int(num_dropped) + int(num_kept)


def test_every_reason_is_counted_and_explained(job, page):
    reasons = {"ingest": ImageStatus, "clean": ImageReason}
    seen = 0
    for stage, by_reason in job.manifest.removed.items():
        for reason, count in by_reason.items():
            row = page.row(stage, reason.replace("_", " "))
            assert row[2] == str(count)
            assert row[4] == MEANINGS[reasons[stage](reason)]
            seen += count
    assert {"truncated", "not_an_image"} == set(job.manifest.removed["ingest"])
    assert {"no_verified_neighbour", "duplicate"} == set(job.manifest.removed["clean"])
    assert seen == job.manifest.ingested - job.manifest.counts.images


def test_classes_come_by_share_removed(page):
    shares = [
        float(row[1].removesuffix(" %"))
        for row in page.rows
        if len(row) == 6 and row[1].endswith("%")
    ]
    assert len(shares) == len(tiny_run.NAMES)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 100.0
    (old_mill,) = (row for row in page.rows if len(row) == 6 and row[0].startswith("Old Mill"))
    assert old_mill[2:] == ["6", "5", "4", "4"]


def test_the_command_that_comes_next_is_given(job, page):
    assert f"nobody has decided on: {job.manifest.pending}" in page.text
    assert f"cleanmark review {job.run_dir}" in page.text
    assert "newer than the manifests" not in page.text


def test_broken_files_are_named(page):
    rows = [row for row in page.rows if row[0].startswith("train/images_")]
    assert len(rows) == 2
    broken = next(row for row in rows if tiny_run.BROKEN_ID in row[1])
    assert broken[2:4] == ["Old Mill", "truncated"]


def test_every_picture_has_words_and_is_in_the_file(page):
    assert page.placeholders == []
    assert len(page.images) > 15
    for image in page.images:
        assert len(image["alt"]) > 10
        scheme, data = image["src"].split(",")
        assert scheme == "data:image/jpeg;base64"
        decoded = Image.open(io.BytesIO(base64.b64decode(data)))
        assert decoded.size == (int(image["width"]), int(image["height"]))


def test_no_picture_is_larger_than_a_thumbnail(page):
    # Two panels of 300 px and the gap between them, and a drawn graph's 76 px.
    assert max(int(image["width"]) for image in page.images) <= 2 * 300 + 8
    assert max(int(image["height"]) for image in page.images) <= 300
    assert max(int(image["width"]) for image in page.drawn_images) <= 76


def test_nothing_is_loaded_from_elsewhere(page):
    links = [value for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert all(link.startswith(("#", "data:")) for link in links)
    style = page.html.replace("http://www.w3.org/", "")
    assert set(re.findall(r"url\((.)", style)) <= {"#"}
    assert "http://" not in re.sub(r"<pre.*?</pre>", "", style, flags=re.DOTALL)
    assert "@import" not in style
    assert not page.tags & {"script", "link", "iframe", "object"}


def test_links_within_the_page_lead_somewhere(page):
    ids = [value for name, value in page.attributes if name == "id"]
    targets = [
        value[1:] for name, value in page.attributes if name == "href" and value.startswith("#")
    ]
    assert len(ids) == len(set(ids))
    assert set(targets) <= set(ids)
    assert len(targets) > 14


def test_the_contents_name_every_section_with_its_extent(job, page):
    titles = [title for level, title in page.headings if level == 2][1:]
    contents = page.text[: page.text.index("photographs came in")]
    positions = [contents.index(title) for title in titles]
    assert len(titles) >= 13
    assert positions == sorted(positions)
    num_removed = job.manifest.ingested - job.manifest.counts.images
    assert f"From files to the split {num_removed} images dropped" in contents
    assert f"Overlap candidates {job.manifest.pending} candidates" in contents
    assert "Certificate not audited yet" in contents


def test_headings_leave_no_level_out(page):
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_table_has_a_caption_and_heads(page):
    assert len(page.tables) == page.html.count("<table")
    assert all(len(caption.strip()) > 5 for caption in page.tables)
    for table in re.findall(r"<table.*?</table>", page.html, flags=re.DOTALL):
        assert 'scope="' in table


def test_names_of_classes_are_text_and_never_markup(page):
    assert tiny_run.NAMES[102] in page.text
    assert "<script" not in page.html


def test_candidates_show_their_evidence(job, page):
    figures = [image for image in page.images if image["alt"].startswith("Query overlapping")]
    assert len(figures) >= 4
    assert "Stone Bridge · match · not decided" in page.text
    assert "found by the name of its class" in " ".join(image["alt"] for image in page.images)
    row = next(row for row in page.rows if len(row) == 7 and row[0].startswith("Stone Bridge"))
    assert int(row[5]) > job.config.overlap.min_inliers


def test_the_same_run_gives_the_same_bytes(job, tmp_path):
    first = write_report(job.run_dir, tmp_path / "first.html")
    second = write_report(job.run_dir, tmp_path / "second.html")
    assert first.read_bytes() == second.read_bytes()


def test_the_report_lies_in_the_run_unless_told_otherwise(job, tmp_path):
    run_dir = shutil.copytree(job.run_dir, tmp_path / "run")
    assert write_report(run_dir) == run_dir / "report.html"
    assert (run_dir / "report.html").stat().st_size < 6_000_000


def test_pictures_stop_at_the_bound_and_the_page_says_so(job, page, tmp_path):
    everything = [image["src"] for image in page.images]
    everything += [image["href"] for image in page.drawn_images]
    bound = sum(map(len, everything)) // 2
    small = read_page(job.run_dir, tmp_path, ReportSettings(max_picture_bytes=bound))
    shown = [image["src"] for image in small.images]
    shown += [image["href"] for image in small.drawn_images]
    assert 0 < sum(map(len, shown)) <= bound
    left_out = len(everything) - len(shown)
    assert left_out > 0
    assert f"{left_out} pictures were left out" in small.text
    assert all("Left out" in placeholder["aria-label"] for placeholder in small.placeholders)


def test_what_is_not_shown_is_counted(job, tmp_path):
    settings = ReportSettings.model_validate(
        {
            "max_broken": 1,
            "max_digests": 2,
            "strips": {"max_rows": 3, "max_strips": 2, "max_kept": 1, "max_dropped": 1},
            "candidates": {"max_rows": 1, "max_figures": 2},
            "graphs": {"max_graphs": 1, "max_kept": 2},
        }
    )
    page = read_page(job.run_dir, tmp_path, settings)
    for words in (
        "1 of 2 files are shown",
        f"2 of {len(job.manifest.digests)} digests are shown",
        "3 of 4 classes are shown",
        "2 of 4 classes are shown",
        "1 of 4 classes are drawn",
        "1 of 2 classes with candidates are shown",
        f"2 of {job.manifest.pending} candidates are shown",
        "2 dropped, 1 of 2 shown",
    ):
        assert words in page.text
    assert len(page.images) == 2 + 3


@pytest.mark.parametrize(
    ("gone", "excuse"),
    [
        ("train/images_000.tar", "images_000.tar: cannot be opened"),
        ("eval/overlapping.jpg", "no image 'overlapping'"),
        ("eval/gnd_tiny.json", "correct the path of the ground truth"),
    ],
)
def test_missing_files_leave_words_in_place_of_pictures(job, tmp_path, gone, excuse):
    data = shutil.copytree(job.data, tmp_path / "data")
    run_dir = shutil.copytree(job.run_dir, tmp_path / "run")
    text = (run_dir / "run.yaml").read_text().replace(str(job.data), str(data))
    (run_dir / "run.yaml").write_text(text)
    (data / gone).unlink()
    page = read_page(run_dir, tmp_path)
    assert any(excuse in placeholder["aria-label"] for placeholder in page.placeholders)
    assert page.images


def test_a_run_without_evaluation_sets_says_so(job, tmp_path):
    config = tiny_run.tiny_config(job.data, with_evaluation_set=False)
    run_dir = shutil.copytree(job.run_dir, tmp_path / "run")
    tiny_run.run_tiny_job(config, run_dir)
    page = read_page(run_dir, tmp_path)
    assert "No evaluation set was given, so nothing was compared." in page.text
    assert "cleanmark review" not in page.text
    assert page.images


def test_a_run_that_keeps_nothing_still_has_a_report(job, tmp_path):
    clean = {"min_verified_neighbours": 50}
    config = tiny_run.tiny_config(job.data, clean=clean, with_evaluation_set=False)
    run_dir = shutil.copytree(job.run_dir, tmp_path / "run")
    tiny_run.run_tiny_job(config, run_dir)
    page = read_page(run_dir, tmp_path)
    assert page.row("Verified")[3] == "0"
    assert "too few verified neighbours" in page.text


def test_an_unfinished_run_is_refused_with_the_remedy(job, tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RunFolderError, match="no run folder"):
        write_report(tmp_path / "run")
    shutil.copy(job.run_dir / "run.yaml", tmp_path / "run")
    with pytest.raises(RunFolderError, match="finish it with `cleanmark run`"):
        write_report(tmp_path / "run")


def test_an_inliner_counts_what_does_not_fit_and_repeats_excuses():
    def excuse():
        raise MissingPictureError("gone")

    inliner = PictureInliner(3000)
    assert inliner.inline("a wall", excuse).missing == "gone"
    assert inliner.inline("a wall", lambda: tiny_run.draw_wall(1)).uri is None
    small = inliner.inline("a corner", lambda: tiny_run.draw_wall(1)[:16, :24].copy())
    assert (small.width, small.height) == (24, 16)
    assert small.uri.startswith("data:image/jpeg;base64,")
    assert inliner.num_left_out == 1


def test_a_part_of_an_inliner_spends_from_the_whole():
    def draw():
        return tiny_run.draw_wall(1)[:16, :24].copy()

    one = len(PictureInliner(10_000).inline("a corner", draw).uri)
    whole = PictureInliner(3 * one)
    part = whole.take_part(2 * one)
    assert [part.inline("a corner", draw).uri is None for _ in range(3)] == [False, False, True]
    assert whole.bytes_left == one
    other = whole.take_part(2 * one)
    assert [other.inline("a corner", draw).uri is None for _ in range(2)] == [False, True]
    assert whole.num_left_out == 2


def test_spread_takes_even_steps():
    assert spread([1, 2, 3], 5) == [1, 2, 3]
    assert spread(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert spread([], 3) == []
