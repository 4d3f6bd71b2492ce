"""False positives: recognise text that only looks like personal data, such as versions and order numbers."""

import re
from ipaddress import ip_interface

_NEAR = 40  # characters before a number that may label it

_VERSION_WORD = re.compile(
    r"\b(?:version|release|firmware|build|driver|treiber|revision|rev|ver|section|chapter|abschnitt|kapitel|oid|updated?"
    r"|upgraded|patch|chrome|firefox|safari|edge|opera|android|ios|windows|macos|linux|app|docker|nginx|ubuntu|java|php|python)"
    r"[\s:.v#-]{0,4}(?:(?:from|to|is|no\.?|number)\s)?\Z",
    re.IGNORECASE,
)
# An address of a device (EUI-64), or times and sizes: eight groups of one or two.
_DEVICE = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){7}")
# Behind these names a telephone number may be, too.
_APP = re.compile(r"\b(?:whatsapp|telegram|zoom|teams|outlook)\s\Z", re.IGNORECASE)
_LARGEST_IN_VERSION = 40


def is_no_network(text: str, start: int, end: int) -> bool:
    """Whether a match is a version, part of a longer number, or a loopback or unspecified address."""
    found, before = text[start:end], text[max(start - _NEAR, 0) : start]
    if re.match(r"\.\d", text[end:]) or re.search(r"(?:\d\.|\+)\Z", before):
        return True
    address = ip_interface(found.partition("%")[0].lower()).ip
    if address.is_loopback or address.is_unspecified or found.startswith("255."):
        return True
    if address.version == 6:
        return bool(_DEVICE.fullmatch(found)) or not re.search(r"\d", found)
    parts = [int(part) for part in str(address).split(".")]
    return bool(_VERSION_WORD.search(before) or _APP.search(before)) or (
        max(parts) <= _LARGEST_IN_VERSION and parts[0] != 10
    )


def is_version(before: str) -> bool:
    """Whether the text before a number announces a version."""
    return bool(_VERSION_WORD.search(before))
