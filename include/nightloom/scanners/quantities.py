"""Quantities: recognise numbers that are counted, measured, paid or calculated with."""

import re

from nightloom.scanners.plain import LATIN

_CURRENCIES = (
    "AED|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KRW|MXN|MYR|NOK|NZD|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY"
    "|TWD|UAH|USD|VND|ZAR"
)
_SYMBOLS = r"$¢£¤¥€₩₪₫₱₴₹₺₽₿฿﷼"
_UNITS = (
    r"[kcmµμnMG]?(?:m|g|l|W|V|Hz|J|Pa|Wh|eV|bar|mol)[²³]?|[kMGT]i?B|ft|yd|lbs?|oz|px|km/h|mph|rpm|mAh|Ah|dB|kcal|ha"
    r"|years?|days?|hours?|minutes?|seconds?|rows?|lines?|entries|records|files|calls|views|messages|requests|characters|tokens|pages?|pcs|people|users|times|units?|items?|bits?|bytes?"
    r"|mln|mio|mrd|millions?|thousand|billion|percent|euros?|dollars?|cents?|pounds?|francs?|yen|won|baht|pesos?|zł|kr|Ft|Kč|lei"
    r"|руб|кг|км|шт|чел|тыс|млн"
)
_COUNTERS = "元円원万萬億亿個个件人名年月日時时分秒米度回次台本枚頁页章条條号號楼层階"
_BLANK = r"[ \u00a0\u202f]?"
_SIGN_AFTER = re.compile(rf"{_BLANK}(?:[%‰°′″{_SYMBOLS}]|(?:{_CURRENCIES})(?![{LATIN}0-9])|[{_COUNTERS}])")
_UNIT_AFTER = re.compile(rf"{_BLANK}(?:(?:{_UNITS})(?![{LATIN}0-9а-яё'’])|บาท|ريال|دولار)")
_CURRENCY_BEFORE = re.compile(
    rf"(?:[{_SYMBOLS}]|(?<![{LATIN}])(?:{_CURRENCIES}|Rs\.?|Rp|RM|S?Fr\.?|kr)){_BLANK}[-−]?\Z"
)
_OPERATOR = re.escape("=+*×·÷≈≠≤≥±√^∙")
_OPERATOR_BEFORE = re.compile(rf"(?:[{_OPERATOR}]|\d[)\]]?\s?[-−–/:]) ?[-−]?\Z")
_OPERATOR_AFTER = re.compile(rf"[)\]]? ?(?:[{_OPERATOR}]|[-−–/:] ?[(\d])")
_NEAR = 8  # characters before a number


def is_quantity(text: str, start: int, end: int) -> bool:
    """Whether a number has a currency, or a unit that is a sign."""
    return bool(_SIGN_AFTER.match(text, end) or _CURRENCY_BEFORE.search(text[max(start - _NEAR, 0) : start]))


def is_measured(text: str, end: int) -> bool:
    """Whether a number has a unit that is a word."""
    return bool(_UNIT_AFTER.match(text, end))


def is_operand(text: str, start: int, end: int) -> bool:
    """Whether a number has an operator next to it."""
    return bool(_OPERATOR_AFTER.match(text, end) or _OPERATOR_BEFORE.search(text[max(start - _NEAR, 0) : start]))
