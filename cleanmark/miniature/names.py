"""Invented names, identifiers and photographers."""

from urllib.parse import quote

import numpy as np

from cleanmark.miniature.seeding import make_generator

CITY = "Valmere"
CATEGORY_PREFIX = "http://commons.wikimedia.org/wiki/Category:"
LICENSES = (
    "Creative Commons Attribution 2.0",
    "Creative Commons Attribution-ShareAlike 3.0",
    "Creative Commons Attribution-ShareAlike 4.0",
    "CC0 1.0 Universal Public Domain Dedication",
)
_STARTS = ("Al", "Bel", "Cor", "Dun", "Ester", "Fal", "Gren", "Hal", "Ism", "Kest", "Lor", "Mar",
           "Nor", "Orl", "Pell", "Quen", "Rav", "Sor",
           "Tarn", "Ulv", "Vash", "Wil", "Yar", "Zel")  # fmt: skip
_ENDS = ("wyn", "ring", "mont", "bury", "aven", "holt", "ica", "más", "stède", "berg", "ora",
         "eck", "ünd", "isle", "dorf", "ette", "ano", "ovo")  # fmt: skip
_PATTERNS = {
    "palace": ("Château de {}", "{} Palace", "Palazzo {}"),
    "church": ("Saint {}'s Church", "Église Saint-{}", "Kirche {}"),
    "tower": ("{} Tower", "Torre de {}", "Campanile di {}"),
    "rotunda": ("{} Rotunda", "Rotonda {}", "Mausoleum of {}"),
    "obelisk": ("{} Obelisk", "Obélisque de {}", "{} Memorial"),
    "gate": ("{} Gate", "Arc de {}", "Porta {}"),
    "bridge": ("{} Bridge", "Pont de {}", "Ponte {}"),
    "temple": ("Temple of {}", "{} Theatre", "Stock Exchange, {}"),
    "castle": ("{} Castle", "Burg {}", "Castillo de {}"),
    "house": ("{} House", "Casa {}", "Haus {}"),
}


def draw_names(seed: int, kinds: list[str]) -> list[str]:
    """Invent one distinct name for each kind of landmark."""
    rng = make_generator(seed, "names")
    words = [start + end for start in _STARTS for end in _ENDS]
    chosen = rng.choice(len(words), len(kinds), replace=False)
    return [
        str(rng.choice(_PATTERNS[kind])).format(words[word])
        for kind, word in zip(kinds, chosen.tolist(), strict=True)
    ]


def draw_landmark_ids(seed: int, count: int) -> list[int]:
    """Draw distinct landmark ids of three to six digits, in no order."""
    rng = make_generator(seed, "landmark ids")
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        chosen[int(10 ** rng.uniform(2.1, 5.3))] = None
    return list(chosen)


def make_image_id(seed: int, number: int) -> str:
    """Return 16 hexadecimal digits, as image ids have in Google Landmarks v2."""
    return make_generator(seed, "image id", number).bytes(8).hex()


def make_category(name: str) -> str:
    """Return the last part of a Wikimedia Commons category address."""
    return quote(name.replace(" ", "_"), safe="(),_-")


def draw_credit(rng: np.random.Generator) -> tuple[str, str]:
    """Draw a photographer and a licence."""
    author = f"{rng.choice(_STARTS)}{rng.choice(_ENDS)} {rng.choice(_STARTS)}{rng.choice(_ENDS)}"
    return author, str(rng.choice(LICENSES))
