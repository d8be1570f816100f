"""Sections of the report that not every run has: hard pairs, copies, truth, certificate, times."""

import csv
import json
import re
import shutil
from types import SimpleNamespace

import pytest
import tiny_run
from crossed_classes import crop, crossed_config, recompress, write_crossed_gldv2
from report_pages import describe_run, read_page
from small_certificates import FACTS, write_small_certificate

from manifests.arrow_schemas import IMAGES, MATCHES
from manifests.lineage import digest_file
from manifests.parquet_io import read_table
from pipelines.run_folder import table_parts


@pytest.fixture(scope="module")
def uncertain(job, tmp_path_factory):
    """A run whose rule makes every pair count and whose band holds them all."""
    folder = tmp_path_factory.mktemp("uncertain")
    run_dir = shutil.copytree(job.run_dir, folder / "run")
    pairs = read_table(table_parts(run_dir, "verify"), MATCHES).to_pylist()
    fewest = min(row["num_inliers"] for row in pairs if row["num_inliers"] >= 30)
    config = tiny_run.tiny_config(
        job.data,
        verify={
            "schedule": {"min_units": 2},
            "uncertain_band": 0.9,
            "cascade": {"mode": "reject_early"},
        },
        clean={"min_verified_neighbours": 2, "min_inliers": fewest},
    )
    tiny_run.run_tiny_job(config, run_dir)
    return describe_run(run_dir, folder)


def test_pairs_that_decide_an_images_fate_are_shown(uncertain):
    counts, section = uncertain.manifest.uncertain, uncertain.page.sections["hard"]
    assert counts.num_decisive > 0
    assert counts.describe() in section
    assert "otherwise: drop" in section
    alts = [image["alt"] for image in uncertain.page.images if "agreeing points" in image["alt"]]
    assert any(alt.startswith("Images ") for alt in alts)


def test_pairs_stand_on_their_side_of_the_threshold(uncertain):
    section = uncertain.page.sections["hard"]
    above, below = section.split("Just refused")
    assert above.count("verified with") == min(6, uncertain.manifest.uncertain.num_pairs)
    assert "rejected with" not in above
    assert "verified with" not in below


def test_a_run_without_decisive_pairs_says_how_many_are_uncertain(job, page):
    assert job.manifest.uncertain.num_decisive == 0
    assert job.manifest.uncertain.describe() in page.sections["hard"]


def test_calibration_stands_in_figures(job, page):
    found = job.manifest.calibration
    assert page.row("Control pairs, photographs")[1] == str(found.num_pairs)
    assert page.row("Threshold on inliers")[1] == str(found.threshold)
    assert page.row("Rate of false accepts")[1] == (
        f"{100 * found.rate_low:.3g} to {100 * found.rate_high:.3g} %"
    )


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    """A run on photographs that stand in two classes, which both lose them."""
    folder = tmp_path_factory.mktemp("crossed")
    truth = write_crossed_gldv2(folder / "data", 3, (recompress, crop), with_exact=True)
    config = crossed_config(
        truth.root,
        emit={"cross_class_duplicates": "drop_both"},
        duplicates={"num_neighbours": 5},
    )
    tiny_run.run_tiny_job(config, folder / "run")
    return describe_run(folder / "run", folder)


def test_photographs_in_two_classes_are_shown_by_kind(crossed):
    found = crossed.manifest.cross_duplicates
    section = crossed.page.sections["copies"]
    assert found.describe() in section
    assert found.num_pairs["exact"] == 1
    for kind in ("Exact", "Near", "Same scene"):
        assert f"{kind} Two" in section or f"{kind} One" in section
    assert section.count("hashes differ") == sum(found.num_pairs.values())


def test_those_that_left_are_told_from_those_that_stay(crossed):
    section = crossed.page.sections["copies"]
    exact, near, same_scene = re.split(r"Near One|Same scene Two", section)
    assert exact.count("left ") >= 2
    assert "stays" not in exact + near
    num_copies = crossed.manifest.removed["clean"]["cross_class_duplicate"]
    row = crossed.page.row("Without copies elsewhere")
    assert row[2] == str(num_copies)
    assert "balanced" in row[4]
    assert "hashes differ" in same_scene


def test_a_run_without_copies_says_so(page):
    assert "0 pairs of equal files" in page.sections["copies"]


@pytest.fixture(scope="module")
def with_truth(job, tmp_path_factory):
    """The run with the truth about its images."""
    folder = tmp_path_factory.mktemp("truth")
    run_dir = shutil.copytree(job.run_dir, folder / "run")
    write_truth(run_dir, folder / "truth.csv", wrong={tiny_run.WRONG_LABEL_ID})
    add_truth(run_dir, folder / "truth.csv")
    return SimpleNamespace(run_dir=run_dir, page=read_page(run_dir, folder), folder=folder)


def write_truth(run_dir, path, wrong):
    images = read_table(table_parts(run_dir, "ingest.join"), IMAGES).to_pylist()
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("image_id", "landmark_id", "place_shown", "label_correct", "planted"))
        for row in images:
            is_wrong = row["image_id"] in wrong
            what = ("a_garden_gnome", 0, "") if is_wrong else ("place", 1, "")
            writer.writerow((row["image_id"], row["landmark_id"], *what))


def add_truth(run_dir, path):
    with (run_dir / "run.yaml").open() as stream:
        text = stream.read().replace("truth: null\n", "")
    (run_dir / "run.yaml").write_text(f"{text}\ntruth:\n  images: {path}\n")


def test_every_wrong_label_is_dropped_with_a_reason_for_people(with_truth):
    section = with_truth.page.sections["planted"]
    assert "1 of 1 wrong labels were dropped" in section
    assert "1 dropped: No other photograph of the class shares a surface" in section
    assert "filed under Old Mill" in section
    assert "shows a garden gnome" in section
    assert re.search(r"best pair: \d+ of 30 inliers", section)
    alts = [image["alt"] for image in with_truth.page.images]
    assert f"Image {tiny_run.WRONG_LABEL_ID}, wrongly filed under Old Mill" in alts


def test_a_wrong_label_that_was_kept_is_not_hidden(with_truth, tmp_path):
    run_dir = shutil.copytree(with_truth.run_dir, tmp_path / "run")
    kept = re.search(r"Image ([0-9a-f]{16}) of Old Mill, kept", with_truth.page.html)[1]
    write_truth(run_dir, with_truth.folder / "truth.csv", {kept, tiny_run.WRONG_LABEL_ID})
    try:
        section = read_page(run_dir, tmp_path).sections["planted"]
    finally:
        write_truth(run_dir, with_truth.folder / "truth.csv", {tiny_run.WRONG_LABEL_ID})
    assert "1 of 2 wrong labels were dropped; 1 were kept" in section
    assert "1 kept: Enough other photographs" in section


def test_a_truth_that_is_gone_leaves_words(with_truth, tmp_path):
    run_dir = shutil.copytree(with_truth.run_dir, tmp_path / "run")
    text = (run_dir / "run.yaml").read_text().replace("truth.csv", "gone.csv")
    (run_dir / "run.yaml").write_text(text)
    page = read_page(run_dir, tmp_path)
    assert "no such truth file" in page.sections["planted"]


def test_without_the_truth_there_is_no_such_section(page):
    assert "planted" not in page.sections


def certify(run_dir, **changes):
    """Put a certificate of the run's manifests beside them."""
    manifest = run_dir / "manifests" / "manifest.json"
    training = FACTS["training"] | {"manifest_sha256": digest_file(manifest)}
    return write_small_certificate(manifest.parent, training=training, **changes)


def test_without_a_certificate_the_way_to_one_is_given(page):
    assert "Not audited yet. cleanmark audit" in page.sections["certificate"]


@pytest.mark.parametrize(("passed", "words"), [(True, "✓ passed"), (False, "✗ did not pass")])
def test_the_certificate_is_shown_with_gates_and_intervals(job, tmp_path, passed, words):
    run_dir = shutil.copytree(job.run_dir, tmp_path / "run")
    certificate = certify(run_dir, passed=passed)
    page = read_page(run_dir, tmp_path)
    section = page.sections["certificate"]
    assert words in section
    assert certificate.sha256 in section
    for gate in certificate.verdict.gates:
        assert gate.words in section
    for canary in certificate.recall:
        row = page.row(canary.eval_set, canary.kind)
        assert row[2] == f"{canary.found} of {canary.planted}"
        assert row[4].startswith(f"{100 * float(canary.low):.1f} %")


def test_a_certificate_of_other_manifests_is_not_believed(job, tmp_path):
    run_dir = shutil.copytree(job.run_dir, tmp_path / "run")
    write_small_certificate(run_dir / "manifests")
    page = read_page(run_dir, tmp_path)
    assert "cannot be relied on" in page.sections["certificate"]
    assert "speaks of other manifests" in page.sections["certificate"]
    assert "✓ passed" not in page.sections["certificate"]


def test_a_damaged_certificate_is_not_believed(job, tmp_path):
    run_dir = shutil.copytree(job.run_dir, tmp_path / "run")
    certify(run_dir)
    path = run_dir / "manifests" / "certificate.json"
    path.write_bytes(path.read_bytes().replace(b'"found": 20', b'"found": 19', 1))
    page = read_page(run_dir, tmp_path)
    assert "cannot be relied on" in page.sections["certificate"]


def test_only_the_section_of_times_tells_of_the_machine(job, page, tmp_path):
    run_dir = shutil.copytree(job.run_dir, tmp_path / job.run_dir.name)
    for marker in (run_dir / "state").glob("*/*.json"):
        content = json.loads(marker.read_text())
        if "seconds" in content:
            content["seconds"] = content["seconds"] * 3 + 1
            marker.write_text(json.dumps(content))
    other = read_page(run_dir, tmp_path)
    assert without_times(other.html).replace(str(run_dir), "RUN") == without_times(
        page.html
    ).replace(str(job.run_dir), "RUN")
    assert other.sections["times"] != page.sections["times"]


def without_times(html):
    begin = html.index('<section id="times"')
    end = html.index("</section>", begin)
    return html[:begin] + html[end:]


def test_times_add_up_by_step(job, page):
    row = page.row("describe")
    markers = [json.loads(p.read_text()) for p in (job.run_dir / "state/describe").glob("*.json")]
    assert row[3] == str(len(markers))
    assert row[2] == f"{sum(m['seconds'] for m in markers):.1f} s"
    assert row[5] == f"{sum(m['counts']['images'] for m in markers)} images"
