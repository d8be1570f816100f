"""Evidence cards: what the removal of each class rests on."""

import re
import shutil

import pytest
import tiny_run
from html_page import Page
from report_pages import describe_run, read_page

from cleanmark.reporting.page import ReportSettings
from manifests.rows import MEANINGS, RemovalReason

MAX_CARD_BYTES = 300_000


def cards_of(page):
    return {
        int(key.removeprefix("card-")): text
        for key, text in page.sections.items()
        if re.fullmatch(r"card-\d+", key)
    }


def test_decisions_that_are_not_applied_yet_ask_for_emit(reviewed):
    assert "newer than the manifests" in reviewed.before.text
    assert "cleanmark emit" in reviewed.before.text
    assert "same (anna)" in reviewed.before.text
    assert "No class was removed" in reviewed.before.text
    assert cards_of(reviewed.before) == {}


def test_every_removed_class_has_a_card_with_its_evidence(reviewed):
    page, manifest = reviewed.after, reviewed.manifest
    (removal,) = manifest.removed_classes
    assert removal.landmark_id == tiny_run.OVERLAPPING_CLASS
    assert cards_of(page).keys() == {removal.landmark_id}
    card = cards_of(page)[removal.landmark_id]
    for words in (
        "Stone Bridge",
        f"{removal.images} images removed",
        removal.evidence,
        MEANINGS[RemovalReason(removal.reason)],
        "Policy paper",
        "tiny/overlapping",
        "Confirmed by anna",
        "Votes on 4 candidates",
    ):
        assert words in card
    assert "Runners-up" not in card
    assert "newer than the manifests" not in page.text
    assert page.row("Without overlap")[2] == str(removal.images)
    assert "whole class removed: overlap" in page.text


def test_a_card_shows_queries_beside_photographs_and_stays_small(reviewed):
    source = reviewed.after.element("article", f"card-{tiny_run.OVERLAPPING_CLASS}")
    assert len(source.encode()) < MAX_CARD_BYTES
    figures = re.findall(r'alt="Query overlapping beside training image ([0-9a-f]{16})', source)
    assert len(figures) == len(set(figures)) == 4
    assert "lines join" in source


@pytest.mark.parametrize(("room_bytes", "num_figures"), [(70_000, 2), (20_000, 0)])
def test_a_card_with_less_room_has_fewer_pictures_and_keeps_its_words(
    reviewed, tmp_path, room_bytes, num_figures
):
    settings = ReportSettings.model_validate({"evidence": {"max_picture_bytes": room_bytes}})
    page = read_page(reviewed.run_dir, tmp_path, settings)
    source = page.element("article", f"card-{tiny_run.OVERLAPPING_CLASS}")
    assert source.count("<figure>") == num_figures
    assert sum(map(len, re.findall(r'src="(data:[^"]*)"', source))) <= room_bytes
    assert f"{num_figures} of 4 candidates are shown" in source
    assert "Confirmed by" in source


def test_only_so_many_votes_are_listed_and_the_rest_is_counted(reviewed, tmp_path):
    settings = ReportSettings.model_validate({"evidence": {"max_rows": 1, "max_figures": 1}})
    page = read_page(reviewed.run_dir, tmp_path, settings)
    card = cards_of(page)[tiny_run.OVERLAPPING_CLASS]
    assert "1 of 4 candidates are shown" in card
    assert page.element("article", f"card-{tiny_run.OVERLAPPING_CLASS}").count("<figure>") == 1


def test_a_runner_up_is_named_as_left_behind_under_paper(runner_up):
    (removal,) = runner_up.manifest.removed_classes
    assert removal.runner_ups == (runner_up.landmark_id,)
    page = runner_up.page
    card = cards_of(page)[tiny_run.OVERLAPPING_CLASS]
    name = tiny_run.NAMES[runner_up.landmark_id]
    words = f"{name} {runner_up.landmark_id} , 1 confirmed, up to"
    assert words in card
    assert "left behind in the split" in card
    assert "--policy confirmed" in page.sections["removed"]


def test_under_confirmed_nobody_is_left_behind(job, runner_up, tmp_path):
    run_dir = shutil.copytree(runner_up.run_dir, tmp_path / "run")
    config = tiny_run.tiny_config(
        job.data,
        overlap={"top_k": 10, "always_show_top": 8},
        emit={"policy": "confirmed"},
    )
    tiny_run.run_tiny_job(config, run_dir)
    run = describe_run(run_dir, tmp_path)
    removed = {removal.landmark_id for removal in run.manifest.removed_classes}
    assert removed == {tiny_run.OVERLAPPING_CLASS, runner_up.landmark_id}
    assert cards_of(run.page).keys() == removed
    assert "left behind" not in run.page.text.lower()


def test_classes_that_lose_single_images_have_a_section_of_their_own(job, runner_up, tmp_path):
    run_dir = shutil.copytree(runner_up.run_dir, tmp_path / "run")
    config = tiny_run.tiny_config(
        job.data,
        overlap={"top_k": 10, "always_show_top": 8},
        emit={"policy": "confirmed", "removes": "images"},
    )
    tiny_run.run_tiny_job(config, run_dir)
    run = describe_run(run_dir, tmp_path)
    reduced = {removal.landmark_id for removal in run.manifest.reduced_classes}
    assert runner_up.landmark_id in reduced
    assert run.manifest.removed_classes == ()
    assert cards_of(run.page).keys() == reduced
    assert "Other photographs of these landmarks stay" in run.page.sections["reduced"]
    assert "1 image taken out" in cards_of(run.page)[runner_up.landmark_id]
    assert isinstance(run.page, Page)


def test_under_strict_the_grounds_are_matches_that_nobody_refused(job, tmp_path):
    run_dir = shutil.copytree(job.run_dir, tmp_path / "run")
    config = tiny_run.tiny_config(job.data, emit={"policy": "strict"})
    tiny_run.run_tiny_job(config, run_dir)
    run = describe_run(run_dir, tmp_path)
    card = cards_of(run.page)[tiny_run.OVERLAPPING_CLASS]
    assert "nobody refused it either" in card
    assert "not decided" in card
    assert "lines join" in run.page.element("article", f"card-{tiny_run.OVERLAPPING_CLASS}")
