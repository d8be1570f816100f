"""Documents must say what the code does."""

from pathlib import Path

import pytest

from curation.canaries import CanaryKind
from curation.canary_choice import CanarySettings
from manifests.data_dictionary import render_data_dictionary
from pipelines.audit.settings import GateSettings
from pipelines.config_reference import list_settings, render_configuration

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("data_dictionary.md", render_data_dictionary),
        ("configuration.md", render_configuration),
    ],
)
def test_generated_document_is_current(name, render):
    assert (DOCS / name).read_text(encoding="utf-8") == render(), "run `make docs`"


def test_every_setting_says_what_it_means():
    silent = [path for path, field in list_settings() if not field.description]
    assert silent == []


def test_settings_are_found_at_every_depth():
    paths = {path for path, _ in list_settings()}
    assert {"source.root", "evaluation_sets[].name", "verify.guards.max_scale"} <= paths


def test_every_setting_of_its_own_is_in_the_document_of_the_audit():
    text = (DOCS / "audit.md").read_text(encoding="utf-8")
    sections = {"canaries": CanarySettings, "gate": GateSettings}
    names = {f"{name}.{key}" for name, model in sections.items() for key in model.model_fields}
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_kind_of_canary_is_in_the_document_of_the_audit():
    text = (DOCS / "audit.md").read_text(encoding="utf-8")
    assert {kind for kind in CanaryKind if f"`{kind}`" not in text} == set()
