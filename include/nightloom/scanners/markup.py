"""Markup: extract the text of HTML messages, and leave all other texts unchanged."""

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# Elements that a browser shows on a line of their own.
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre",
    "section", "table", "tbody", "td", "tfoot", "th", "thead", "title", "tr", "ul",
))  # fmt: skip
_INLINE = frozenset((
    "a", "abbr", "b", "bdi", "bdo", "big", "body", "button", "caption", "center", "cite", "code", "col", "colgroup",
    "data", "del", "dfn", "em", "font", "head", "html", "i", "img", "input", "ins", "kbd", "label", "link", "mark",
    "meta", "q", "s", "samp", "script", "small", "span", "strike", "strong", "style", "sub", "sup", "time", "tt", "u",
    "var", "wbr",
))  # fmt: skip
_KNOWN = _BLOCKS | _INLINE
_VOID = frozenset(("br", "col", "hr", "img", "input", "link", "meta", "wbr"))
_HIDDEN = frozenset(("script", "style", "head", "title"))
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9:_-]*")


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of the text: its start, its kind (`text`, `open`, `close`, `remark` or `doctype`), and its element."""

    start: int
    kind: str
    element: str = ""


def read_html(text: str) -> str:
    """Return the visible text of an HTML message: entities as characters, blocks as lines, no tags.

    A text is HTML if it opens and closes an HTML element, contains a void element such as `<br>`, or has a doctype. In
    all other texts only entities are replaced, and everything in angle brackets stays.
    """
    tokens = _tokenise(text)
    if not _is_html(tokens):
        return _unescape(text)
    shown: list[str] = []
    hidden: str | None = None
    for token, following in pairwise((*tokens, _Token(len(text), "end"))):
        known = token.element in _KNOWN
        if hidden is not None:
            hidden = None if token.kind == "close" and token.element == hidden else hidden
        elif token.kind == "open" and token.element in _HIDDEN and _closes(tokens, token):
            hidden = token.element
        elif token.kind == "text" or (token.kind in ("open", "close") and not known):
            shown.append(text[token.start : following.start])
        elif token.element in _BLOCKS:
            shown.append("\n")
    return _unescape("".join(shown))


def _closes(tokens: list[_Token], opened: _Token) -> bool:
    return any(
        token.kind == "close" and token.element == opened.element and token.start > opened.start for token in tokens
    )


def _is_html(tokens: list[_Token]) -> bool:
    opened: set[str] = set()
    for token in tokens:
        if token.kind == "doctype" or (token.kind == "open" and token.element in _VOID):
            return True
        if token.kind == "open" and token.element in _KNOWN:
            opened.add(token.element)
        if token.kind == "close" and token.element in opened:
            return True
    return False


def _unescape(text: str) -> str:
    return _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)


def _tokenise(text: str) -> list[_Token]:
    # There is no tag after the last bracket, and a parser that looks for one there would scan every word again.
    markup = text[: text.rfind(">") + 1]
    parser = _Tokeniser(markup)
    try:
        parser.feed(markup)
        parser.close()
    except AssertionError:  # the standard library's parser fails so at an invalid declaration
        return []
    return [*parser.tokens, _Token(len(markup), "text")]


class _Tokeniser(HTMLParser):
    """Record where each token starts. A tag with invalid attributes is text, as in `a<b and c>d`."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.tokens: list[_Token] = []
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an opening tag."""
        is_tag = all(_ATTRIBUTE.fullmatch(name) for name, _ in attrs) and not (
            attrs and all(value is None for _, value in attrs)
        )
        self._record("open" if is_tag else "text", tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a self-closing tag as an opening tag."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Record a closing tag."""
        self._record("close", tag)

    def handle_data(self, data: str) -> None:
        """Record text."""
        self._record("text")

    def handle_entityref(self, name: str) -> None:
        """Record text."""
        self._record("text")

    def handle_charref(self, name: str) -> None:
        """Record text."""
        self._record("text")

    def handle_comment(self, data: str) -> None:
        """Record hidden markup."""
        self._record("remark")

    def handle_pi(self, data: str) -> None:
        """Record hidden markup."""
        self._record("remark")

    def handle_decl(self, decl: str) -> None:
        """Record a doctype, or another declaration as hidden markup."""
        self._record("doctype" if decl.lower().startswith("doctype html") else "remark")

    def unknown_decl(self, data: str) -> None:
        """Record hidden markup."""
        self._record("remark")

    def _record(self, kind: str, element: str = "") -> None:
        line, column = self.getpos()
        self.tokens.append(_Token(self._lines[line - 1] + column, kind, element))
