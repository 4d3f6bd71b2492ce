"""Telephone numbers: what they look like, what the words around them say, and what is none."""

import pytest
from nightloom.scanners.base import redact
from nightloom.scanners.pii import find_pii

SHAPES = {
    "country code": ("+351 912 345 678", "+61 2 9374 4000", "(+31) 6 12345678", "+420 601 123 456"),
    "00": ("0039 06 6982 1234", "0044 (0)20 7946 0321", "00 48 22 621 12 34"),
    "zero in brackets": ("+49 (0)221 4710 123", "+33 (0)1 99 00 12 34", "+46(0)8-123 456 00"),
    "area code in brackets": ("(206) 555-0171", "(0221) 4710 123", "8 (343) 212-34-56", "06(6123)4567"),
    "bracket after the area code": ("02)527-4763", "031)238-6452"),
    "trunk zero": ("0161 496 0321", "0221/4710 123", "02.99.00.12.34", "052-345-6789", "031-234-5678"),
    "none of both": ("415-555-0132", "912 34 56 78", "22 621 12 34", "139-1234-5678", "8 912 345-67-89"),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_of_a_telephone_is_enough(shape: str) -> None:
    for number in SHAPES[shape]:
        text = f"Ann Lee, {number}, Leeds"
        assert redact(text, find_pii(text)) == "Ann Lee, <PHONE_NUMBER>, Leeds"


@pytest.mark.parametrize(
    "said",
    [
        *("cell phone {}", "WhatsApp: {}", "you can ring {} tonight", "my number is {}", "tel:{}", "wa.me/{}"),
        *("Handynummer {}", "bitte {} anrufen", "portable {}", "mi móvil es el {}", "zadzwoń {}", "beni {} arayın"),
        *("мой тел. {}", "звоните {}", "κινητό {}", "我的手机是{}", "電話は{}です", "휴대폰{}번", "טלפון {}"),
        *("جوال {}", "मोबाइल {} है", "โทร{}ค่ะ", '"phone": "{}"'),
    ],
)
@pytest.mark.parametrize("number", ["4155550132", "13912345678", "07700900321"])
def test_word_is_enough(said: str, number: str) -> None:
    text = said.format(number)
    assert redact(text, find_pii(text)) == said.format("<PHONE_NUMBER>")


@pytest.mark.parametrize("number", ["4155550132", "98234 56712", "612 345 678", "22 621", "5550132"])
def test_digits_alone_are_no_telephone(number: str) -> None:
    assert find_pii(f"it shows {number} again") == []


@pytest.mark.parametrize("number", ["98234 56712", "612 345 678", "22 621 12 34"])
def test_signature_may_end_with_a_telephone(number: str) -> None:
    text = f"Kind regards\nMira K.\n{number}"
    assert redact(text, find_pii(text)) == "Kind regards\nMira K.\n<PHONE_NUMBER>"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("(+49 30 23125 321)", "(<PHONE_NUMBER>)", id="brackets around all of it"),
        pytest.param("call 020 7946 0321 ext. 12 now", "call <PHONE_NUMBER> now", id="extension"),
        pytest.param("It was 3. 0161 496 0321 is mine", "It was 3. <PHONE_NUMBER> is mine", id="number before it"),
        pytest.param("at 9 +45 32 12 34 56", "at 9 <PHONE_NUMBER>", id="hour before it"),
        pytest.param("Tel. 0161 496 0321, 0161 496 0322", "Tel. <PHONE_NUMBER>, <PHONE_NUMBER>", id="two"),
        pytest.param("call 020 7946 0321 in the morning", "call <PHONE_NUMBER> in the morning", id="preposition"),
        pytest.param("au 01 99 00 12 34 s'il vous plaît", "au <PHONE_NUMBER> s'il vous plaît", id="letter behind it"),
        pytest.param("a | 0161 496 0321 | b", "a | <PHONE_NUMBER> | b", id="in a table"),
        pytest.param("<(206) 555-0171>", "<<PHONE_NUMBER>>", id="in angle brackets"),
        pytest.param("order late, ring 0161 496 0321", "order late, ring <PHONE_NUMBER>", id="order before it"),
        pytest.param("тел. 8 (343) 212-34-56 доб. 12", "тел. <PHONE_NUMBER>", id="extension in Russian"),
        pytest.param("電話 03-6123-4567 内線 45", "電話 <PHONE_NUMBER>", id="extension in Japanese"),
        pytest.param("Tel/Fax: 030 23125321 / 030 23125322", "Tel/Fax: <PHONE_NUMBER> / <PHONE_NUMBER>", id="slash"),
        pytest.param("+44 20 7946 0321/+44 20 7946 0322", "<PHONE_NUMBER>/<PHONE_NUMBER>", id="slash and plus sign"),
        pytest.param("02 99 00 12 34 / 06 39 98 12 34", "<PHONE_NUMBER> / <PHONE_NUMBER>", id="pairs of digits"),
        pytest.param("TEL0161 496 0321", "TEL<PHONE_NUMBER>", id="word that touches"),
        pytest.param("número+34612345678", "número<PHONE_NUMBER>", id="word that touches a plus sign"),
        pytest.param("Ｔｅｌ０３－６１２３－４５６７", "Ｔｅｌ<PHONE_NUMBER>", id="full width"),
        pytest.param("Tlf 912 34 568", "Tlf <PHONE_NUMBER>", id="country that is not known"),
        pytest.param("telemóvel 912 345 678", "telemóvel <PHONE_NUMBER>", id="groups of three"),
    ],
)
def test_exactly_the_number_is_taken(text: str, redacted: str) -> None:
    assert redact(text, find_pii(text)) == redacted


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("6250-1875=4375", id="difference"),
        pytest.param("5000 – 1200 – 800 leaves 3000", id="differences"),
        pytest.param("14400/1200, 365*24=8760", id="quotient"),
        pytest.param("x = 5550123456, y=0161496032", id="assignment"),
        pytest.param("(0.35)2400.50 = 840.175", id="product"),
        pytest.param("2/7 is 0.28571428, pi 3.14159265", id="decimal fractions"),
        pytest.param("0.30480000 m, 3.785411784 l", id="decimal measures"),
        pytest.param("299 792 458 m/s, 415 555 2671 km", id="grouped measures"),
        pytest.param("1500-2500 mm, 98765-43210 lbs", id="range of lengths"),
        pytest.param("40000-55000 euros a year", id="range of prices"),
        pytest.param("USD 415 555 2671, € 0161 496 0321", id="currency before"),
        pytest.param("the years 1914 - 1918, 1939-1945", id="years"),
        pytest.param("rows 60000-80000", id="round numbers"),
        pytest.param("52.5200066, 13.4049540", id="coordinates"),
        pytest.param("-33.8688197 151.2092955", id="coordinates without a comma"),
        pytest.param("+40.712776-074.005974/", id="coordinates of ISO 6709"),
        pytest.param("open 0800-1730, closed 1200 - 1300", id="hours"),
        pytest.param("14.03.2026-18.03.2026, 11 04 2025", id="dates"),
        pytest.param("12 345 6789\n98 765 4321\n22 621 1234", id="columns"),
        pytest.param("1 2 3 4 5 6 7 8 9", id="row of digits"),
        pytest.param("ISSN 0378-5955, GTIN 07608839722662", id="trade numbers"),
        pytest.param("SN-0221-4710123, 0221-4710123-X", id="letters joined to it"),
        pytest.param("数量1234567個、合計12345678円", id="counted in Japanese"),
    ],
)
def test_other_digits_are_left_alone(text: str) -> None:
    assert find_pii(text) == []


def test_program_that_sent_it_names_no_telephone() -> None:
    assert find_pii("It shows 4155550132. Sent from my phone") == []


def test_digits_of_a_long_table_are_no_telephones() -> None:
    assert find_pii("012 345 6789 " * 500) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("6-4 3-6 7-6(5) 6-3", id="sets of a match"),
        pytest.param("prices of 400-450-500 in May", id="prices"),
        pytest.param("call it 1000 2000 3000", id="round numbers"),
        pytest.param("trains 601-603-609 are late", id="trains"),
        pytest.param("Nature 123, 456-789 (2020)", id="pages"),
        pytest.param("ring buffer of 1048576 entries", id="entries"),
        pytest.param("phones 2019 2020 2021 2022", id="years"),
        pytest.param("contact sheet 20261122", id="date"),
        pytest.param("filter 0 451 103 318 is out", id="part of a car"),
        pytest.param("AWB 020-12345675", id="air waybill"),
        pytest.param("routing 021000021", id="bank"),
    ],
)
def test_series_and_parts_are_kept(text: str) -> None:
    assert find_pii(text) == []
