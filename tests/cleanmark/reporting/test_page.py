"""The report of a very small run, as a reader of the HTML finds it."""

import base64
import io
import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
import tiny_run
from PIL import Image

from cleanmark.reporting.classes import spread
from cleanmark.reporting.page import ReportSettings, write_report
from cleanmark.reporting.pictures import MissingPictureError, PictureInliner
from manifests.arrow_schemas import MATCHES
from manifests.manifest_json import read_manifest
from manifests.parquet_io import read_table
from manifests.rows import MEANINGS, ImageReason, ImageStatus
from pipelines.run_folder import RunFolderError

VOID = {"img", "meta", "line", "br"}


class Page(HTMLParser):
    """Collects what the tests ask for, and checks that tags are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.html = html
        self.attributes = []
        self.images = []
        self.placeholders = []
        self.rows = []
        self.tags = set()
        self.words = []
        self._open = []
        self.feed(html)
        assert self._open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        self.attributes += values.items()
        if tag == "img":
            self.images.append(values)
        if values.get("class") == "placeholder":
            self.placeholders.append(values)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self._open and any(tag in ("td", "th") for tag in self._open):
            self.rows[-1][-1] += data

    def row(self, beginning):
        """The first table row whose cells begin so."""
        return next(row for row in self.rows if " ".join(row).startswith(beginning))


def read_page(run_dir, tmp_path, settings=None):
    out = tmp_path / "page.html"
    write_report(run_dir, out, settings or ReportSettings())
    return Page(out.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A finished run; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("tiny")
    data = tiny_run.write_tiny_gldv2(folder / "data")
    config = tiny_run.tiny_config(data)
    tiny_run.run_tiny_job(config, folder / "run")
    return SimpleNamespace(
        run_dir=folder / "run",
        data=data,
        config=config,
        manifest=read_manifest(folder / "run" / "manifests" / "manifest.json"),
    )


@pytest.fixture(scope="module")
def page(job, tmp_path_factory):
    return read_page(job.run_dir, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def reviewed(job, tmp_path_factory):
    """Two reports: after a person confirmed the overlap, and after the manifests were renewed."""
    folder = tmp_path_factory.mktemp("reviewed")
    run_dir = shutil.copytree(job.run_dir, folder / "run")
    tiny_run.confirm_overlap(run_dir, folder)
    before = read_page(run_dir, folder)
    tiny_run.run_tiny_job(job.config, run_dir)
    manifest = read_manifest(run_dir / "manifests" / "manifest.json")
    return SimpleNamespace(before=before, after=read_page(run_dir, folder), manifest=manifest)


def test_the_headline_repeats_the_manifest(job, page):
    manifest = job.manifest
    unusable = sum(manifest.removed["ingest"].values())
    not_verified = sum(manifest.removed["clean"].values())
    assert manifest.ingested == tiny_run.NUM_IMAGES
    for words in (
        f"Ingested {manifest.ingested} images in {len(tiny_run.NAMES)} classes",
        f"Usable {manifest.ingested - unusable} images in",
        f"−{unusable} unusable",
        f"Clean {manifest.gldv2_clean.images} images in {manifest.gldv2_clean.classes} classes",
        f"−{not_verified} not verified",
        f"Without overlap {manifest.counts.images} images in {manifest.counts.classes} classes",
        f"{manifest.counts.splits['train'].images} images for training",
    ):
        assert words in page.text


def test_every_reason_is_counted_and_explained(job, page):
    reasons = {"ingest": ImageStatus, "clean": ImageReason}
    seen = 0
    for stage, by_reason in job.manifest.removed.items():
        for reason, count in by_reason.items():
            row = page.row(f"{stage} {reason.replace('_', ' ')}")
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
    assert page.row("Old Mill")[2:] == ["6", "5", "4", "4"]


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


def test_nothing_is_loaded_from_elsewhere(page):
    links = [value for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert "url(" not in page.html
    assert "@import" not in page.html
    assert not page.tags & {"script", "link", "iframe", "object"}


def test_links_within_the_page_lead_somewhere(page):
    ids = [value for name, value in page.attributes if name == "id"]
    targets = [value[1:] for name, value in page.attributes if name == "href"]
    assert len(ids) == len(set(ids))
    assert set(targets) <= set(ids)


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
    bound = sum(len(image["src"]) for image in page.images) // 2
    small = read_page(job.run_dir, tmp_path, ReportSettings(max_picture_bytes=bound))
    assert 0 < sum(len(image["src"]) for image in small.images) <= bound
    left_out = len(page.images) - len(small.images)
    assert len(small.placeholders) == left_out > 0
    assert f"{left_out} pictures were left out" in small.text
    assert all("Left out" in placeholder["aria-label"] for placeholder in small.placeholders)


def test_what_is_not_shown_is_counted(job, tmp_path):
    settings = ReportSettings.model_validate(
        {
            "max_broken": 1,
            "max_digests": 2,
            "strips": {"max_rows": 3, "max_strips": 2, "max_kept": 1, "max_dropped": 1},
            "candidates": {"max_rows": 1, "max_figures": 2},
        }
    )
    page = read_page(job.run_dir, tmp_path, settings)
    for words in (
        "1 of 2 files are shown",
        f"2 of {len(job.manifest.digests)} digests are shown",
        "3 of 4 classes are shown",
        "2 of 4 classes are shown",
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


def test_decisions_that_are_not_applied_yet_ask_for_emit(reviewed):
    assert "newer than the manifests" in reviewed.before.text
    assert "cleanmark emit" in reviewed.before.text
    assert "same (anna)" in reviewed.before.text
    assert "No class was removed" in reviewed.before.text


def test_removed_classes_are_listed_with_their_evidence(reviewed):
    (removal,) = reviewed.manifest.removed_classes
    assert removal.landmark_id == tiny_run.OVERLAPPING_CLASS
    row = next(r for r in reviewed.after.rows if len(r) == 4 and "Stone Bridge" in r[0])
    assert row[1] == str(removal.images)
    assert row[3] == removal.evidence
    assert f"−{removal.images} in overlapping classes" in reviewed.after.text
    assert "whole class removed: overlap" in reviewed.after.text
    assert "newer than the manifests" not in reviewed.after.text
    classes = reviewed.manifest.counts.classes
    assert f"Without overlap {reviewed.manifest.counts.images} images in {classes}" in (
        reviewed.after.text
    )


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
    assert "Clean 0 images in 0 classes" in page.text
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


def test_spread_takes_even_steps():
    assert spread([1, 2, 3], 5) == [1, 2, 3]
    assert spread(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert spread([], 3) == []


@pytest.fixture(scope="module")
def uncertain_page(job, tmp_path_factory):
    """The report of a run whose rule makes every pair count and whose band holds them all."""
    folder = tmp_path_factory.mktemp("uncertain")
    run_dir = shutil.copytree(job.run_dir, folder / "run")
    fewest = min(row["num_inliers"] for row in _read_matches(run_dir) if row["num_inliers"] >= 30)
    config = tiny_run.tiny_config(
        job.data,
        verify={"schedule": {"min_units": 2}, "uncertain_band": 0.9},
        clean={"min_verified_neighbours": 2, "min_inliers": fewest},
    )
    tiny_run.run_tiny_job(config, run_dir)
    manifest = read_manifest(run_dir / "manifests" / "manifest.json")
    return SimpleNamespace(page=read_page(run_dir, folder), counts=manifest.uncertain)


def _read_matches(run_dir):
    return read_table(sorted((run_dir / "matches").glob("*.parquet")), MATCHES).to_pylist()


def test_pairs_that_decide_an_images_fate_are_shown(uncertain_page):
    counts, page = uncertain_page.counts, uncertain_page.page
    assert counts.num_decisive > 0
    assert counts.describe() in page.text
    alts = [image["alt"] for image in page.images if "agreeing points" in image["alt"]]
    pairs = [alt for alt in alts if alt.startswith("Images ")]
    assert len(pairs) == min(counts.num_decisive, 12)
    assert "otherwise: drop" in page.text


def test_a_run_without_decisive_pairs_says_how_many_are_uncertain(job, page):
    assert job.manifest.uncertain.num_decisive == 0
    assert job.manifest.uncertain.describe() in page.text
    assert not any(image["alt"].startswith("Images ") for image in page.images)
