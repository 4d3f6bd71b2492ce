"""False positives: recognise text that only looks like personal data, such as versions and order numbers."""

import re
from ipaddress import ip_interface

_NEAR = 40  # characters before a number that may label it

# First digits and lengths of card numbers, by issuer. A phone's IMEI begins with 35, and has 15 digits with the same
# check digit.
_ISSUED = re.compile(
    r"4(?:\d{15}|\d{18})|5[0-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|64[4-9]\d|65\d\d|62\d\d|6304|6759|676\d)\d{12,15}|35(?:2[89]|[3-8]\d)\d{12,15}"
    r"|(?:30[0-5]\d|3095|3[689]\d\d)\d{10,15}"
)
_MORE_DIGITS = re.compile(r"\d{3}[ -]\Z")

_VERSION_WORD = re.compile(
    r"\b(?:version|release|firmware|build|driver|treiber|revision|rev|ver|section|chapter|abschnitt|kapitel|oid|updated?"
    r"|upgraded|patch|chrome|firefox|safari|edge|opera|android|ios|windows|macos|linux|app|java|php|python)"
    r"[\s:.v#-]{0,4}(?:(?:from|to|is|no\.?|number)\s)?\Z",
    re.IGNORECASE,
)
_LARGEST_IN_VERSION = 40

# Labels of numbers. `no` and `number` alone do not exclude a phone number.
_PHONE_LABELS = r"telefon|handy|mobil|ruf|fax|rückruf|festnetz|durchwahl|notruf|whatsapp"
_LABEL = re.compile(
    r"(?:\b(?P<label>orders?|tickets?|invoices?|customer|client|case|ref(?:erence)?|serial|s/?n|parts?|model|article|item"
    r"|batch|lot|sku|(?:ean|gtin|upc|isbn|issn|ismn)(?:-?\d{1,2})?|imei|tracking|waybill|parcel|package|shipment|po|rma"
    r"|account|contract|policy|meter|tax|vat|ust|id|[ug]uid|hash|pin|error|code|licen[cs]e|version|build|epoch"
    r"|bestellung|rechnung|paket|sendung|vertrag|konto|artikel|charge|zähler|commande|facture|colis|pedido|factura"
    rf"|encomenda|(?!{_PHONE_LABELS}|\w*karten)\w{{3,}}(?:nummer|nr|id))|\b(?:number|nr|no|numéro|número|num))"
    r"(?:[\s.:#/-]{0,3}\b(?:no|nr|idnr|number|nummer|id|is|ist|was|code|[A-Z]{2})\b)*[\s.:#/-]{0,3}\Z",
    re.IGNORECASE,
)


def is_no_card(text: str, start: int, end: int) -> bool:
    """Whether no issuer has such card numbers, or the text labels the number as something else."""
    before = text[max(start - _NEAR, 0) : start]
    issued = _ISSUED.fullmatch(re.sub(r"\D", "", text[start:end]))
    return not issued or bool(_MORE_DIGITS.search(before)) or is_labelled(before)


def is_no_network(text: str, start: int, end: int) -> bool:
    """Whether a match is a version, part of a longer number, or a loopback or unspecified address."""
    found, before = text[start:end], text[max(start - _NEAR, 0) : start]
    if re.match(r"\.\d", text[end:]) or re.search(r"(?:\d\.|\+)\Z", before):
        return True
    address = ip_interface(found.partition("%")[0].lower()).ip
    if address.is_loopback or address.is_unspecified or found.startswith("255."):
        return True
    if address.version == 6:
        return False
    parts = [int(part) for part in str(address).split(".")]
    return bool(_VERSION_WORD.search(before)) or (max(parts) <= _LARGEST_IN_VERSION and parts[0] != 10)


def is_version(before: str) -> bool:
    """Whether the text before a number announces a version."""
    return bool(_VERSION_WORD.search(before))


def is_labelled(before: str, *, plainly: bool = True) -> bool:
    """Whether the text before a number labels it as an order, a serial number or similar.

    Args:
        before: What is before it.
        plainly: Whether a word such as `number` alone is no such label.
    """
    label = _LABEL.search(before)
    return label is not None and not (plainly and label["label"] is None)
