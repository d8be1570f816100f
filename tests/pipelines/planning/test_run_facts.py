import json

import pytest

from pipelines.markers import pending, read_markers
from pipelines.planning.run_facts import find_pairs, read_facts
from pipelines.stages.describe import Describe


def test_markers_say_how_much_of_the_processor_a_unit_took(finished_run):
    for marker in read_markers(finished_run, "describe"):
        assert marker.cpu_seconds > 0
        assert marker.cpu_seconds < 100


def test_markers_of_versions_that_did_not_measure_the_processor_still_count(tiny_job, finished_run):
    before = read_facts(tiny_job, finished_run)["describe"]
    paths = sorted((finished_run / "state" / "describe").glob("*.json"))
    texts = [path.read_text() for path in paths]
    contents = [json.loads(text) for text in texts]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(json.dumps({k: v for k, v in content.items() if k != "cpu_seconds"}))
    try:
        facts = read_facts(tiny_job, finished_run)["describe"]
        stage = Describe(finished_run, tiny_job.source, tiny_job.describe, 1.0, 1.0)
        assert pending(finished_run, stage.plan()) == []
    finally:
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
    assert facts.is_done
    assert facts.cpu_seconds == pytest.approx(sum(content["seconds"] for content in contents))
    assert facts.table_bytes == before.table_bytes


def test_facts_of_a_finished_run(tiny_job, finished_run):
    facts = read_facts(tiny_job, finished_run)
    assert all(step.is_done and step.share_to_come == 0 for step in facts.values())
    assert facts["describe"].table_bytes.keys() == {"features"}
    proposed, verified = find_pairs(facts)
    assert proposed == verified == facts["verify"].counts["pairs"]


def test_nothing_is_known_of_the_pairs_of_a_run_that_has_not_verified_them(tiny_job, finished_run):
    facts = dict(read_facts(tiny_job, finished_run))
    del facts["verify"]
    assert find_pairs(facts) is None
