"""Markup: visible text of HTML messages, and angle brackets that stay in other texts."""

import pytest
from hypothesis import given
from nightloom.scanners.markup import read_html

from .pieces import texts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("<p>Hi,</p><p>my order</p>", "\nHi,\n\nmy order\n", id="blocks"),
        pytest.param("one<br>two<br/>three", "one\ntwo\nthree", id="line breaks"),
        pytest.param('see <a href="https://example.com?a=1&b=2">this</a>', "see this", id="link"),
        pytest.param("<b>Tom &amp; Ann</b> &#8364;5&nbsp;", "Tom & Ann €5\u00a0", id="entities"),
        pytest.param("<style>p {}</style><script>if (a<b) {}</script><i>x</i>", "x", id="script and style"),
        pytest.param("<b>x</b><!-- not this -->", "x", id="comment"),
        pytest.param("<!doctype html><p>x < y", "\nx < y", id="says that it is HTML"),
        pytest.param("<b>is</b> a <Foo>", "is a <Foo>", id="element that HTML does not know"),
        pytest.param("R&amp;D", "R&D", id="entity in a plain text"),
    ],
)
def test_html_is_read(text: str, shown: str) -> None:
    assert read_html(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("if a < b && c > d", id="comparison"),
        pytest.param("if a<b and c>d then", id="comparison without blanks"),
        pytest.param("List<String> and Map<K, V>", id="code"),
        pytest.param("a <- b, x => y, <3 </3", id="arrows and hearts"),
        pytest.param("mail <ann@example.com> or <https://example.com>", id="address"),
        pytest.param("put it in <p> please", id="tag that nothing closes"),
        pytest.param("AT&T; R&D &copy=2 &unknown;", id="ampersands"),
        pytest.param("<![x <![CDATA[ <! <? <", id="broken declarations"),
    ],
)
def test_other_texts_stay_unchanged(text: str) -> None:
    assert read_html(text) == text


@given(texts)
def test_text_without_markup_stays_unchanged(text: str) -> None:
    plain = text.replace("<", "").replace("&", "")
    assert read_html(plain) == plain


@pytest.mark.parametrize("part", ["<", "<a ", "<!--", "</", "<b>", "<script>", "&", "<![", "<a b='"])
@pytest.mark.timeout(20)
def test_long_garbage_is_read_quickly(part: str) -> None:
    assert len(read_html(part * 20_000 + ">")) <= len(part) * 20_000 + 1
