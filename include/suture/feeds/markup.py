"""The text of HTML that came from outside: what a reader would see, and no markup."""

from __future__ import annotations

from html.parser import HTMLParser

_MAX_MARKUP = 1_000_000


class _Text(HTMLParser):
    """What a reader would see: no markup, no scripts, no styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden += tag in ("script", "style")
        if tag in ("p", "br", "div", "li", "tr"):
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def text_of_html(markup: str) -> str:
    """The text without its markup. Entities that stand for markup stay text."""
    parser = _Text()
    parser.feed(markup[:_MAX_MARKUP])
    parser.close()
    return "".join(parser.words)
