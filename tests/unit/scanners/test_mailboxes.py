"""Mail addresses: where they begin and end."""

import pytest
from nightloom.scanners.base import redact
from nightloom.scanners.mailboxes import find_mailboxes


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("José.núñez@correo.example.es", "<EMAIL_ADDRESS>", id="accents"),
        pytest.param("office@grün-büro.de", "<EMAIL_ADDRESS>", id="accents in the domain"),
        pytest.param("пишите на мария@почта.рф", "пишите на <EMAIL_ADDRESS>", id="another script"),
        pytest.param("mail ann@example.org.Thanks", "mail <EMAIL_ADDRESS>.Thanks", id="sentence behind it"),
        pytest.param("piszcie ann@example.plProszę", "piszcie <EMAIL_ADDRESS>Proszę", id="capital behind it"),
        pytest.param("skriv ann@example.seär", "skriv <EMAIL_ADDRESS>är", id="accent behind it"),
        pytest.param("?email=ann@example.org&page=2", "?email=<EMAIL_ADDRESS>&page=2", id="in a query"),
        pytest.param("{ann@example.org}", "{<EMAIL_ADDRESS>}", id="in braces"),
        pytest.param("邮箱：李娜@例子.中国。谢谢", "邮箱：<EMAIL_ADDRESS>。谢谢", id="full stop of Chinese"),
        pytest.param("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐへ", "<EMAIL_ADDRESS>へ", id="full width"),
        pytest.param("на мария@example.ru, жду", "на <EMAIL_ADDRESS>, жду", id="name in another script"),
        pytest.param("на maria@почта.рф, жду", "на <EMAIL_ADDRESS>, жду", id="domain in another script"),
        pytest.param('to "ann lee"@example.org', "to <EMAIL_ADDRESS>", id="quoted name"),
        pytest.param("_ann@example.org_", "_<EMAIL_ADDRESS>_", id="emphasis"),
        pytest.param("'o.neil@example.ie'", "'<EMAIL_ADDRESS>'", id="in quotation marks"),
    ],
)
def test_exactly_the_address_is_taken(text: str, redacted: str) -> None:
    assert redact(text, list(find_mailboxes(text))) == redacted


@pytest.mark.parametrize("text", ["git@git.example.com:a/b", "2@3.50", "root@db.internal", "见@微博", "a@b"])
def test_no_mailbox_is_ignored(text: str) -> None:
    assert list(find_mailboxes(text)) == []
