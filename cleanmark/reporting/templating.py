"""The templates of the pages, and how numbers and codes are written in them."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def make_environment() -> Environment:
    """Templates that escape everything and refuse what is not defined."""
    environment = Environment(
        loader=PackageLoader("cleanmark.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = format_count
    environment.filters["percent"] = format_percent
    environment.filters["words"] = format_words
    environment.filters["seconds"] = format_seconds
    environment.filters["rate"] = format_rate
    return environment


def format_count(number: int) -> str:
    """Whole numbers with separators."""
    return f"{number:,}"


def format_percent(share: float) -> str:
    """A share in per cent; what is neither nothing nor everything never looks like it."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"


def format_words(code: str) -> str:
    """A code as words."""
    return code.replace("_", " ")


def format_seconds(seconds: float) -> str:
    """A duration in the unit that reads best."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def format_rate(per_second: float) -> str:
    """A rate to two or three digits."""
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.2g}"
