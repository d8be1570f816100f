"""Classes named after a landmark that an evaluation set shows: the second channel of names.

The paper looks for the names of two cities. A class may name the landmark and not the city:
`Radcliffe Camera`, `Basilique du Sacré-Cœur de Montmartre`.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})
_NOT_A_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class NamedClass:
    """A class that bears the name of a landmark: which name, and which of its own it is."""

    landmark_id: int
    name: str
    found_in: str


def normalise_text(text: str) -> str:
    """Text without case and accents, for comparing names: `Hôtel` and `hotel` become one.

    Compatibility decomposition (NFKD) without combining marks, case folded. Letters that Unicode
    does not decompose stay, such as ø and œ.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def normalise_name(text: str) -> str:
    """A name as words: without case, accents and punctuation, between single spaces.

    `Sacré-Cœur`, `SACRE COEUR` and `sacré—cœur` become one; so do `ß` and `ss`, `æ` and `ae`, `œ`
    and `oe`. Apostrophes part words: `Musée d'Orsay` becomes `musee d orsay`.
    """
    letters = normalise_text(text).translate(_LETTERS)
    return _NOT_A_WORD.sub(" ", letters).strip()


def find_named_classes(
    names: Iterable[str], class_names: Mapping[int, Sequence[str]]
) -> list[NamedClass]:
    """Find the classes one of whose names holds a landmark's name as whole words.

    Args:
        names: of the landmarks that the evaluation set shows.
        class_names: landmark_id -> its name and further ones, where there are any.

    Returns:
        Each name and class once, sorted, with the first of the class's names that holds it.

    Raises:
        ValueError: a name has no letter or digit, or two of them are the same words.
    """
    wanted = _normalise_distinct(names)
    found = []
    for landmark_id in sorted(class_names):
        words = [(own, f" {normalise_name(own)} ") for own in class_names[landmark_id]]
        for normal_form, name in wanted.items():
            matching = [own for own, text in words if f" {normal_form} " in text]
            if matching:
                found.append(NamedClass(landmark_id, name, matching[0]))
    return sorted(found, key=lambda match: (match.name, match.landmark_id))


def _normalise_distinct(names: Iterable[str]) -> dict[str, str]:
    by_normal_form: dict[str, str] = {}
    for name in names:
        normal_form = normalise_name(name)
        if not normal_form:
            raise ValueError(f"the landmark name {name!r} has no letter and no digit; remove it")
        if normal_form in by_normal_form:
            raise ValueError(
                f"the landmark names {by_normal_form[normal_form]!r} and {name!r} find the same "
                "classes; remove one"
            )
        by_normal_form[normal_form] = name
    return by_normal_form
