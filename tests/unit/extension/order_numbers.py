"""A scanner: finds order numbers such as ORD-4711."""

import re

from nightloom.scanners.base import Match, Scanner

_ORDER_NUMBER = re.compile(r"\bORD-[0-9]+\b")


def find_order_numbers(text: str) -> list[Match]:
    return [Match(found.start(), found.end(), "ORDER") for found in _ORDER_NUMBER.finditer(text)]


SCANNER = Scanner("order_numbers", 1, 5, find_order_numbers)
