"""Mail addresses: find them in any script, also where words of another script touch them."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from nightloom.scanners.base import Match
from nightloom.scanners.plain import LATIN, narrow

_SIGNS = "0-9_%+"
# An address is in one script: letters of another one next to it are words of the sentence. Where words are separated by
# blanks, the name may be in another script than the domain.
_OTHERS = (
    "\u0370-\u1dff\u2c00-\u2dff\u3005-\u3007\u3021-\u302f\u3031-\ud7ff\uf900-\ufdff\ufe70-\ufefc\U00010000-\U0003ffff"
)
_SPACED = "\u0370-\u0dff\u10a0-\u10ff\u1200-\u167f\u1f00-\u1fff"
_QUOTED = r'"[^"\n@]{1,64}"'


def _name(letters: str) -> str:
    return rf"(?<![{letters}{_SIGNS}])[{letters}{_SIGNS}](?:[{letters}{_SIGNS}'.-]*[{letters}{_SIGNS}-])?"


def _domain(letters: str) -> str:
    label = rf"[{letters}0-9](?:[{letters}0-9-]*[{letters}0-9])?"
    return rf"{label}(?:\.{label})+"


_ADDRESS = re.compile(
    rf"(?:{_QUOTED}|{_name(LATIN)})@{_domain(LATIN)}|{_name(_OTHERS)}@{_domain(_OTHERS)}"
    rf"|{_name(_SPACED)}@{_domain(LATIN)}|{_name(LATIN)}@{_domain(_OTHERS)}"
)
_OTHER_SIGNS = {0x3002: ".", 0xFF61: ".", 0xFE6B: "@"}
# Where a word of the sentence may begin that touches the address.
_TOUCHING = (re.compile(r"[^\x00-\x7f].*"), re.compile(r"(?<=[a-z])[A-Z].*"))


def find_mailboxes(text: str) -> Iterator[Match]:
    """Find mail addresses whose domain is under a public suffix, such as `co.uk`."""
    if not text.isascii():
        text = _narrow(text)
    for found in _ADDRESS.finditer(text):
        mailbox, _, domain = found.group().rpartition("@")
        length = len(mailbox) + 1 + len(_cut_domain(domain))
        if length > len(mailbox) + 1 and mailbox.lower() != "git":  # a code host's program, not a person
            end = found.start() + length
            is_marked = mailbox.startswith("_") and text[end : end + 1] == "_"
            yield Match(found.start() + is_marked, end, "EMAIL_ADDRESS")


def _narrow(text: str) -> str:
    """Return a text of the same length, whose addresses have no other full stop and no full-width letters."""
    return re.sub(r"\S*[@\uff20\ufe6b]\S*", lambda found: narrow(found.group()).translate(_OTHER_SIGNS), text)


def _cut_domain(domain: str) -> str:
    """Return the beginning that is a domain: a sentence may continue after it without a blank."""
    while "." in domain:
        for written in (domain, *(word.sub("", domain) for word in _TOUCHING)):
            if _has_suffix(written):
                return written
        domain = domain.rpartition(".")[0]
    return domain if _has_suffix(domain) else ""


def _has_suffix(domain: str) -> bool:
    return bool(_extract()(domain).suffix)


@cache
def _extract() -> Any:
    from tldextract import TLDExtract

    # The packaged list, without the network.
    return TLDExtract(suffix_list_urls=(), cache_dir=None)
