"""A page of HTML as its reader finds it; tags must be closed in order."""

import re
from html.parser import HTMLParser

_VOID = {"img", "meta", "br", "line", "path", "use", "rect", "circle", "image"}
_DRAWN = {"line", "path", "use", "rect", "circle", "image"}


class Page(HTMLParser):
    """Collects what tests ask for.

    Attributes:
        images: attributes of `img`.
        drawn_images: attributes of `image`, pictures inside SVG.
        placeholders: attributes of what stands for a missing picture.
        rows: cells of table rows, in order.
        tables: captions.
        sections: id of a section -> its text.
        headings: level and text.
    """

    def __init__(self, html):
        super().__init__()
        self.html = html
        self.attributes, self.images, self.drawn_images, self.placeholders = [], [], [], []
        self.rows, self.tables, self.headings = [], [], []
        self.tags = set()
        self.sections = {}
        self._words = []
        self._open = []
        self.feed(html)
        assert self._open == []
        self.text = _squeeze(self._words)
        self.sections = {key: _squeeze(words) for key, words in self.sections.items()}
        self.headings = [(level, _squeeze(words)) for level, words in self.headings]

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        self.attributes += values.items()
        if tag == "img":
            self.images.append(values)
        if tag == "image":
            self.drawn_images.append(values)
        if values.get("class") == "placeholder":
            self.placeholders.append(values)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "caption":
            self.tables.append("")
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), []))
        if tag in ("section", "article") and "id" in values:
            self.sections[values["id"]] = []
        if tag not in _VOID:
            self._open.append((tag, values.get("id")))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag in _DRAWN:
            return
        opened, _ = self._open.pop()
        assert opened == tag

    def handle_data(self, data):
        self._words.append(data)
        tags = {tag for tag, _ in self._open}
        for tag, key in self._open:
            if tag in ("section", "article") and key in self.sections:
                self.sections[key].append(data)
        if tags & {"td", "th"}:
            self.rows[-1][-1] += data
        if "caption" in tags:
            self.tables[-1] += data
        if tags & {"h1", "h2", "h3", "h4"}:
            self.headings[-1][1].append(data)

    def row(self, *beginning):
        """The first table row whose cells begin so."""
        return next(
            row
            for row in self.rows
            if len(row) >= len(beginning)
            and all(cell.startswith(words) for cell, words in zip(row, beginning, strict=False))
        )

    def element(self, tag, key):
        """Source of an element with an id, to the end tag that closes it."""
        begin = self.html.index(f'<{tag} class="card" id="{key}"')
        return self.html[begin : self.html.index(f"</{tag}>", begin)]


def _squeeze(words):
    return re.sub(r"\s+", " ", " ".join(words)).strip()
