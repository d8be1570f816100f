from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.landmark_names import find_named_classes, normalise_name
from curation.named_candidates import propose_name_candidates, propose_text_candidates
from curation.train_split import ImageVerdict
from manifests.reference.published_removal import read_published_classes
from manifests.rows import CandidateSource, CandidateVerdict, ImageReason
from pipelines.run_config import load_evaluation_set

CONFIGS = Path(__file__).parents[2] / "configs" / "evaluation"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Basilique du Sacré-Cœur de Montmartre", "basilique du sacre coeur de montmartre"),
        ("SACRE—COEUR", "sacre coeur"),
        ("Musée d'Orsay", "musee d orsay"),
        ("Musée d’Orsay", "musee d orsay"),
        ("Schloß_Neuschwanstein", "schloss neuschwanstein"),
        ("Ærø – Skjoldnæs", "aero skjoldnaes"),
        ("  (Paris)  ", "paris"),
        ("エッフェル塔", "エッフェル塔"),
    ],
)
def test_a_name_becomes_words_without_case_accents_and_punctuation(written, words):
    assert normalise_name(written) == words


@given(st.text())
def test_normalising_twice_is_normalising_once(text):
    once = normalise_name(text)
    assert normalise_name(once) == once
    assert once == " ".join(once.split())


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        ("Radcliffe Camera", True),
        ("radcliffe-camera (Oxford)", True),
        ("The RADCLIFFE CAMERA at night", True),
        ("Radcliffe Cameras", False),
        ("Radcliffe Square Camera", False),
        ("Radcliffe", False),
    ],
)
def test_a_landmark_s_name_is_found_as_whole_words(name, is_found):
    assert bool(find_named_classes(["Radcliffe Camera"], {1: [name]})) is is_found


def test_a_further_name_of_a_class_is_found_and_named_as_the_place():
    (found,) = find_named_classes(["Eiffel Tower"], {5: ["La dame de fer", "Eiffel tower (Paris)"]})
    assert (found.landmark_id, found.name) == (5, "Eiffel Tower")
    assert found.found_in == "Eiffel tower (Paris)"


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["--"], "the landmark name '--' has no letter and no digit; remove it"),
        (["Sacré-Cœur", "sacre coeur"], "find the same classes; remove one"),
    ],
)
def test_names_that_say_nothing_or_the_same_are_refused_with_their_set(names, complaint):
    with pytest.raises(ValueError, match=complaint) as error:
        propose_name_candidates("rparis6k", names, [], {})
    assert str(error.value).startswith("evaluation set rparis6k: ")


def make_verdicts(class_names):
    return [
        ImageVerdict(
            image_id=f"{landmark_id:016x}",
            landmark_id=landmark_id,
            kept=True,
            reason=ImageReason.VERIFIED,
            num_verified_neighbours=3,
            component_id=None,
            duplicate_of=None,
        )
        for landmark_id in class_names
    ]


def test_a_candidate_says_which_name_found_it():
    names = {7: "Hôtel des Invalides", 8: "Hotel des Invalides Hotel"}
    found = propose_name_candidates(
        "rparis6k", ["Invalides"], make_verdicts([7]), {i: (n,) for i, n in names.items()}
    )
    (candidate,) = found
    assert (candidate.query_id, candidate.landmark_id) == ("name:Invalides", 7)
    assert (candidate.source, candidate.verdict) == (CandidateSource.TEXT, CandidateVerdict.NAMED)
    assert candidate.image_id == f"{7:016x}"


# What the shipped lists find among the classes that the paper removed


def _found_among_published(channel):
    names = {c.landmark_id: c.landmark_name for c in read_published_classes()}
    verdicts = make_verdicts(names)
    found = set()
    for name in ("roxford5k", "rparis6k"):
        settings = load_evaluation_set(CONFIGS / f"{name}.yaml")
        if channel == "text":
            found |= {
                c.landmark_id
                for c in propose_text_candidates(name, settings.text_terms, verdicts, names)
            }
        else:
            all_names = {landmark_id: (own,) for landmark_id, own in names.items()}
            found |= {
                c.landmark_id
                for c in propose_name_candidates(name, settings.landmark_names, verdicts, all_names)
            }
    return found, names


def test_names_of_landmarks_propose_published_classes_that_the_cities_do_not():
    by_city, names = _found_among_published("text")
    by_landmark, _ = _found_among_published("name")
    assert len(by_landmark - by_city) >= 6
    missed = {names[landmark_id] for landmark_id in names.keys() - by_city - by_landmark}
    # They are beside the landmark or part of it, under a name of their own.
    assert missed == {"Jardin de l'Intendant", "Petit-Pont", "Pont au Double"}


@pytest.mark.parametrize("pair", [("roxford5k", "oxford5k"), ("rparis6k", "paris6k")])
def test_both_versions_of_a_set_show_the_same_landmarks(pair):
    revisited, original = (load_evaluation_set(CONFIGS / f"{name}.yaml") for name in pair)
    assert revisited.landmark_names == original.landmark_names
    assert revisited.landmark_names
