"""Mail addresses: find them in any script, also where words of another script touch them."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from nightloom.scanners.base import Match
from nightloom.scanners.plain import LATIN

_SIGNS = "0-9_%+"
# An address is in one script: letters of another one next to it are words of the sentence.
_OTHERS = "\u0370-\u1dff\u2c00-\ud7ff\uf900-\ufdff\ufe70-\ufefc\U00010000-\U0003ffff"
_ADDRESS = re.compile(
    "|".join(
        rf"(?<![{letters}{_SIGNS}])[{letters}{_SIGNS}](?:[{letters}{_SIGNS}'.-]*[{letters}{_SIGNS}-])?"
        rf"@[{letters}0-9](?:[{letters}0-9-]*[{letters}0-9])?(?:\.[{letters}0-9](?:[{letters}0-9-]*[{letters}0-9])?)+"
        for letters in (LATIN, _OTHERS)
    )
)
# Where a word of the sentence may begin that touches the address.
_TOUCHING = (re.compile(r"[^\x00-\x7f].*"), re.compile(r"(?<=[a-z])[A-Z].*"))


def find_mailboxes(text: str) -> Iterator[Match]:
    """Find mail addresses whose domain is under a public suffix, such as `co.uk`."""
    for found in _ADDRESS.finditer(text):
        mailbox, _, domain = found.group().rpartition("@")
        length = len(mailbox) + 1 + len(_cut_domain(domain))
        if length > len(mailbox) + 1 and mailbox.lower() != "git":  # a code host's program, not a person
            yield Match(found.start(), found.start() + length, "EMAIL_ADDRESS")


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
