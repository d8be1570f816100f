"""Classes that people must look at for their name: that of a city, or of a landmark itself."""

from collections.abc import Iterable, Mapping, Sequence

from curation.landmark_names import find_named_classes, normalise_text
from curation.overlap import Candidate
from curation.train_split import ImageVerdict
from manifests.rows import CandidateSource, CandidateVerdict


def propose_text_candidates(
    eval_set: str,
    terms: Iterable[str],
    verdicts: Iterable[ImageVerdict],
    landmark_names: Mapping[int, str],
) -> list[Candidate]:
    """Propose every class of the clean split whose name contains one of the terms.

    "Contains" is meant as it is said, in the middle of a word too; people refuse what is wrong.
    A class is shown by its kept image with most verified neighbours, ties by smaller id.

    Args:
        eval_set: name of the evaluation set the terms belong to.
        terms: names to look for, such as `Oxford`.
        verdicts: of the cleaning; dropped images, and classes without a kept one, play no part.
        landmark_names: readable class names, as far as known; a class without one has no
            candidate.

    Returns:
        One candidate per term and class, by term and class, `query_id` being `text:TERM`.

    Raises:
        ValueError: a term is empty, or two differ in case and accents only.
    """
    examples = _choose_examples(verdicts)
    candidates = []
    for term in sorted(_check_terms(eval_set, terms)):
        for landmark_id in sorted(examples):
            name = landmark_names.get(landmark_id)
            if name is not None and normalise_text(term) in normalise_text(name):
                example = examples[landmark_id]
                candidates.append(_name_candidate(eval_set, f"text:{term}", example, name))
    return candidates


def propose_name_candidates(
    eval_set: str,
    names: Iterable[str],
    verdicts: Iterable[ImageVerdict],
    class_names: Mapping[int, Sequence[str]],
) -> list[Candidate]:
    """Propose every class of the clean split that bears the name of a landmark.

    Args:
        eval_set: name of the evaluation set that shows the landmarks.
        names: of the landmarks.
        verdicts: as for `propose_text_candidates`.
        class_names: landmark_id -> its name and further ones, as far as known.

    Returns:
        One candidate per name and class, by name and class, `query_id` being `name:NAME`.

    Raises:
        ValueError: as `curation.landmark_names.find_named_classes`.
    """
    examples = _choose_examples(verdicts)
    known = {c: own for c, own in class_names.items() if c in examples}
    try:
        found = find_named_classes(names, known)
    except ValueError as error:
        raise ValueError(f"evaluation set {eval_set}: {error}") from error
    return [
        _name_candidate(eval_set, f"name:{match.name}", examples[match.landmark_id], match.found_in)
        for match in found
    ]


def _check_terms(eval_set: str, terms: Iterable[str]) -> list[str]:
    by_normal_form: dict[str, str] = {}
    for term in terms:
        normal_form = normalise_text(term)
        if not normal_form.strip():
            raise ValueError(f"evaluation set {eval_set}: the text term {term!r} is empty")
        if normal_form in by_normal_form:
            raise ValueError(
                f"evaluation set {eval_set}: the text terms {by_normal_form[normal_form]!r} and "
                f"{term!r} find the same names; remove one"
            )
        by_normal_form[normal_form] = term
    return list(by_normal_form.values())


def _choose_examples(verdicts: Iterable[ImageVerdict]) -> dict[int, ImageVerdict]:
    """Choose the kept image that shows a class best."""

    def rank(verdict: ImageVerdict) -> tuple[int, str]:
        return (-verdict.num_verified_neighbours, verdict.image_id)

    best: dict[int, ImageVerdict] = {}
    for verdict in verdicts:
        if verdict.kept:
            best[verdict.landmark_id] = min(
                best.get(verdict.landmark_id, verdict), verdict, key=rank
            )
    return best


def _name_candidate(
    eval_set: str, query_id: str, example: ImageVerdict, landmark_name: str
) -> Candidate:
    return Candidate(
        eval_set=eval_set,
        query_id=query_id,
        image_id=example.image_id,
        landmark_id=example.landmark_id,
        landmark_name=landmark_name,
        source=CandidateSource.TEXT,
        verdict=CandidateVerdict.NAMED,
        reason=CandidateVerdict.NAMED,
    )
