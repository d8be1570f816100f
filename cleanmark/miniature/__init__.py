"""The miniature data set: invented places, photographed as Google Landmarks v2 would have them.

Everything in it is drawn from a seed: textures, buildings, weather, photographers, and the
mistakes that a cleaner must find, with the truth about them beside it.
"""

from cleanmark.miniature.settings import TINY, MiniatureSettings
from cleanmark.miniature.world import MiniatureSummary, build_miniature

__all__ = ["TINY", "MiniatureSettings", "MiniatureSummary", "build_miniature"]
