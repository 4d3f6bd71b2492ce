"""Invented personal data and credentials, in the forms that people of twelve countries write.

Written from public descriptions of the formats alone:

- telephones: ITU-T E.123 and E.164; numbers for fiction where a country has them: 555-0100 to 0199 (NANPA), Ofcom's
  numbers for drama, Bundesnetzagentur's Drama Numbers (notice 148/2021), Arcep's numbers for audiovisual works
- mail addresses: RFC 5321, at names for examples such as RFC 2606 has them
- cards: ISO/IEC 7812, with prefixes of payment services' test cards
- bank accounts: ISO 13616
- network addresses: RFC 5737 and RFC 3849, the ranges for documentation; written as RFC 4291 and RFC 5952 have them
- keys: the forms in their issuers' documents; RFC 7519 (JSON web tokens) and RFC 7468 (private keys). The random part
  is made here, so that no file of the repository contains what looks like a real one.
"""

import base64
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

COUNTRIES = ("US", "GB", "DE", "FR", "ES", "PL", "RU", "JP", "CN", "KR", "IL", "IN")


@dataclass(frozen=True)
class Value:
    """An invented value; `country` is whose form it has. `with_country_code` is None unless it is a telephone."""

    kind: str
    country: str
    text: str
    with_country_code: bool | None = None


@dataclass(frozen=True)
class PhoneForms:
    """Ways to write a country's numbers: x is any digit, N is 2 to 9, AAA an area code of the United States."""

    national: tuple[str, ...]
    international: tuple[str, ...]


# fmt: off
PHONES = {
    "US": PhoneForms(
        ("(AAA) 555-01xx", "AAA-555-01xx", "AAA.555.01xx", "AAA 555 01xx", "(AAA)555-01xx", "AAA 555-01xx"),
        ("+1 AAA-555-01xx", "+1 (AAA) 555-01xx", "+1AAA55501xx", "+1.AAA.555.01xx", "+1 AAA 555 01xx"),
    ),
    "GB": PhoneForms(
        ("020 7946 0xxx", "(020) 7946 0xxx", "0161 496 0xxx", "(0117) 496 0xxx", "0131-496-0xxx", "01632 960xxx",
         "(01632) 960 xxx", "07700 900xxx", "07700 900 xxx", "07700-900-xxx", "07700900xxx", "029 2018 0xxx"),
        ("+44 20 7946 0xxx", "+44 (0)20 7946 0xxx", "+44 7700 900xxx", "+447700900xxx", "0044 161 496 0xxx",
         "+44 (0)1632 960xxx", "+44-7700-900-xxx"),
    ),
    "DE": PhoneForms(
        ("030 23125 xxx", "030/23125xxx", "(030) 23125-xxx", "030-23125xxx", "089 / 99998 xxx", "0221 4710xxx",
         "0221/4710-xxx", "040 66969 xxx", "(069) 90009xxx", "0176 040690xx", "0176/040690xx", "0176-040690xx",
         "089/99998-xxx", "0171 39200xx"),
        ("+49 30 23125xxx", "+49 (0)30 23125-xxx", "+49 (89) 99998-xxx", "+49 176 040690xx", "+49176040690xx",
         "0049 221 4710xxx", "+49-40-66969-xxx", "+49 171 39200xx"),
    ),
    "FR": PhoneForms(
        ("06 39 98 xx xx", "06.39.98.xx.xx", "06-39-98-xx-xx", "063998xxxx", "01 99 00 xx xx", "02 61 91 xx xx",
         "03.53.01.xx.xx", "04 65 71 xx xx", "05-36-49-xx-xx", "0639 98 xx xx"),
        ("+33 6 39 98 xx xx", "+33 (0)6 39 98 xx xx", "+3363998xxxx", "+33.4.65.71.xx.xx", "0033 6 39 98 xx xx",
         "+33 2 61 91 xx xx", "+33 (0) 5 36 49 xx xx"),
    ),
    "ES": PhoneForms(
        ("612 Nxx xxx", "634 xx xx xx", "655.Nxx.xxx", "678-Nxx-xxx", "91 Nxx xx xx", "912 xx xx xx",
         "93-Nxx-xx-xx", "(91) Nxx xx xx", "954 Nxx xxx", "622Nxxxxx"),
        ("+34 612 Nxx xxx", "(+34) 91 Nxx xx xx", "+34634Nxxxxx", "0034 655 xx xx xx", "+34-93-Nxx-xx-xx",
         "+34 678 xx xx xx"),
    ),
    "PL": PhoneForms(
        ("601 Nxx xxx", "501-Nxx-xxx", "22 62x xx xx", "(22) 62x xx xx", "22-62x-xx-xx", "12 42x xx xx",
         "691 xxx xxx", "604Nxxxxx", "(12) 42x-xx-xx", "505.Nxx.xxx"),
        ("+48 601 Nxx xxx", "+48 22 62x xx xx", "(+48) 501 Nxx xxx", "0048 601 Nxx xxx", "+48-12-42x-xx-xx",
         "+48691Nxxxxx"),
    ),
    "RU": PhoneForms(
        ("8 (495) Nxx-xx-xx", "8 916 Nxx-xx-xx", "8-916-Nxx-xx-xx", "8(812)Nxx-xx-xx", "(495) Nxx-xx-xx",
         "8916Nxxxxxx", "8 903 Nxx xx xx", "8 (921) Nxx xx xx", "8 (343) 2xx-xx-xx"),
        ("+7 (495) Nxx-xx-xx", "+7 916 Nxx-xx-xx", "+7-903-Nxx-xx-xx", "+7916Nxxxxxx", "+7(921)Nxx-xx-xx",
         "+7 812 Nxx xx xx"),
    ),
    "JP": PhoneForms(
        ("03-3Nxx-xxxx", "090-Nxxx-xxxx", "080-Nxxx-xxxx", "06-6Nxx-xxxx", "(03) 3Nxx-xxxx", "03(3Nxx)xxxx",
         "045-2Nx-xxxx", "070-Nxxx-xxxx", "090 Nxxx xxxx", "052-9Nx-xxxx", "080Nxxxxxxx"),
        ("+81 90-Nxxx-xxxx", "+81-3-3Nxx-xxxx", "+81 3 3Nxx xxxx", "+8190Nxxxxxxx", "+81 (0)3-3Nxx-xxxx",
         "+81-80-Nxxx-xxxx"),
    ),
    "CN": PhoneForms(
        ("138 Nxxx xxxx", "139-Nxxx-xxxx", "138Nxxxxxxx", "010-6Nxxxxxx", "(010) 6Nxxxxxx", "021-5Nxx xxxx",
         "0755-2Nxxxxxx", "010 8Nxx xxxx", "186 Nxxx xxxx", "150-Nxxx-xxxx", "(0755) 2Nxx xxxx"),
        ("+86 138 Nxxx xxxx", "+86-10-6Nxx-xxxx", "+86 139-Nxxx-xxxx", "0086 21 5Nxx xxxx", "+86186Nxxxxxxx",
         "(+86) 150 Nxxx xxxx"),
    ),
    "KR": PhoneForms(
        ("010-4Nxx-xxxx", "02-5Nx-xxxx", "02-2Nxx-xxxx", "031-2Nx-xxxx", "(02) 3Nxx-xxxx", "010.4Nxx.xxxx",
         "010 4Nxx xxxx", "051-7Nx-xxxx", "0104Nxxxxxx", "02)5Nx-xxxx"),
        ("+82 10-4Nxx-xxxx", "+82-10-4Nxx-xxxx", "+82 2 5Nx xxxx", "+82104Nxxxxxx", "+82 (0)10-4Nxx-xxxx",
         "+82-31-2Nx-xxxx"),
    ),
    "IL": PhoneForms(
        ("054-Nxx-xxxx", "050-Nxxxxxx", "03-6Nx-xxxx", "02-5Nxxxxx", "(03) 5Nx-xxxx", "052 Nxx xxxx",
         "04-8Nx-xx-xx", "050Nxxxxxx", "053.Nxx.xxxx"),
        ("+972 54-Nxx-xxxx", "+972-3-6Nx-xxxx", "+97254Nxxxxxx", "00972 50 Nxx xxxx", "+972 (0)52-Nxx-xxxx",
         "+972 2 5Nx xxxx"),
    ),
    "IN": PhoneForms(
        ("98Nxx xxxxx", "098Nxx xxxxx", "022-2Nxx xxxx", "(022) 2Nxx xxxx", "011-2Nxxxxxx", "080 4Nxx xxxx",
         "98Nxx-xxxxx", "98Nxxxxxxx", "(011) 2Nxx-xxxx"),
        ("+91 98Nxx xxxxx", "+91-22-2Nxx xxxx", "+9198Nxxxxxxx", "(+91) 98Nxx-xxxxx", "0091 98Nxx xxxxx",
         "+91 80 4Nxx xxxx"),
    ),
}
_AREAS = ("212", "312", "415", "206", "617", "512", "303", "404", "702", "919")

NAMES = {
    "US": ("Emily Carter", "Luis Ortega", "Mia Johnson"),
    "GB": ("Harriet Lowe", "Owen Pritchard", "Sean O'Neil"),
    "DE": ("Anna Weber", "Jonas Krüger", "Lena Vogt"),
    "FR": ("Claire Moreau", "Hugo Lambert", "Inès Faure"),
    "ES": ("Lucia Romero", "Pablo Ibáñez", "Marta Gil"),
    "PL": ("Ewa Nowak", "Piotr Zieliński", "Jan Mazur"),
    "RU": ("Olga Sokolova", "Ivan Petrov", "Anna Orlova"),
    "JP": ("Yuki Tanaka", "Haruto Sato", "Aoi Mori"),
    "CN": ("Li Wei", "Zhang Min", "Chen Jie"),
    "KR": ("Kim Minjun", "Lee Jiwoo", "Park Seoyeon"),
    "IL": ("Noa Levi", "Amir Cohen", "Dana Mizrahi"),
    "IN": ("Asha Rao", "Vikram Singh", "Priya Nair"),
}
_ASCII = str.maketrans({"ü": "ue", "è": "e", "á": "a", "ñ": "n", "ń": "n"})
_MAIL_HOSTS = {
    "US": "example.us", "GB": "example.co.uk", "DE": "example.de", "FR": "example.fr", "ES": "example.es",
    "PL": "example.pl", "RU": "example.ru", "JP": "example.co.jp", "CN": "example.com.cn", "KR": "example.co.kr",
    "IL": "example.co.il", "IN": "example.in",
}
# What precedes the digits, the length of the number, the lengths of the groups in which it is written.
_CARDS = (
    ("411111", 16, (4, 4, 4, 4)), ("424242", 16, (4, 4, 4, 4)), ("555555", 16, (4, 4, 4, 4)),
    ("222300", 16, (4, 4, 4, 4)), ("601111", 16, (4, 4, 4, 4)), ("353011", 16, (4, 4, 4, 4)),
    ("378282", 15, (4, 6, 5)), ("371449", 15, (4, 6, 5)), ("305693", 14, (4, 6, 4)),
)
# Bank codes, or none, and the number of digits that follow.
_IBANS = {
    "GB": (("NWBK", "WEST", "BARC"), 14), "DE": (("",), 18), "FR": (("",), 23), "ES": (("",), 20), "PL": (("",), 24),
    "IL": (("",), 19),
}
_WORDS = ("Winter", "Tiger", "Garden", "Rocket", "Maple", "Harbor", "Violet", "Copper", "Falcon", "Pepper")
# fmt: on


def make_phone(rng: random.Random, country: str) -> Value:
    """Return a telephone number, one of three without country code."""
    with_country_code = rng.random() >= 1 / 3
    forms = PHONES[country]
    form = rng.choice(forms.international if with_country_code else forms.national)
    text = "".join(_fill(rng, letter) for letter in form.replace("AAA", rng.choice(_AREAS)))
    return Value("phone", country, text, with_country_code)


def _fill(rng: random.Random, letter: str) -> str:
    if letter == "x":
        return rng.choice(string.digits)
    return rng.choice("23456789") if letter == "N" else letter


def make_email(rng: random.Random, country: str, name: str | None = None) -> Value:
    """Return a mail address of an invented person, by default any."""
    given, family = (name or rng.choice(NAMES[country])).lower().translate(_ASCII).split(maxsplit=1)
    plain = family.replace("'", "")
    year = rng.randrange(1960, 2006)
    local = rng.choice(
        (
            f"{given}.{family}",
            f"{given}_{plain}{year % 100:02}",
            f"{given[0]}.{plain}",
            f"{plain}{year}",
            f"{given}.{plain}+shop{year % 100}",
            f"{given}-{plain}",
            f"{given.capitalize()}.{plain.capitalize()}",
        )
    )
    host = rng.choice(("example.com", "example.org", "example.net", _MAIL_HOSTS[country], _MAIL_HOSTS[country]))
    return Value("email", country, f"{local}@{rng.choice(('', '', '', 'mail.', 'team-3.'))}{host}")


def make_card(rng: random.Random, country: str) -> Value:
    """Return a card's number, in one piece, in groups with blanks or in groups with hyphens."""
    prefix, length, groups = rng.choice(_CARDS)
    digits = prefix + _digits(rng, length - len(prefix) - 1)
    return Value("card", country, _group(digits + _luhn_digit(digits), groups, rng.choice(("", " ", " ", "-"))))


def _luhn_digit(digits: str) -> str:
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[::-2]]
    return str(-(sum(doubled) + sum(map(int, digits[-2::-2]))) % 10)


def make_iban(rng: random.Random, country: str) -> Value:
    """Return a bank account, in one piece or in groups of four; of another country where that one has no IBAN."""
    country = country if country in _IBANS else rng.choice(tuple(_IBANS))
    banks, length = _IBANS[country]
    account = rng.choice(banks) + _digits(rng, length)
    check = 98 - int("".join(str(int(letter, 36)) for letter in f"{account}{country}00")) % 97
    text = f"{country}{check:02}{account}"
    return Value("iban", country, text if rng.random() < 0.5 else _group(text, (4,) * 7, " "))


def make_ip(rng: random.Random, country: str) -> Value:
    """Return a network address for documentation, two of three of version 4."""
    if rng.random() < 2 / 3:
        network = rng.choice(("192.0.2", "198.51.100", "203.0.113"))
        return Value("ip", country, f"{network}.{rng.randrange(1, 255)}")
    address = IPv6Address((0x20010DB8 << 96) + (rng.getrandbits(16) << 80) + rng.getrandbits(rng.choice((8, 16, 64))))
    return Value("ip", country, rng.choice((str(address), str(address), str(address).upper(), address.exploded)))


def make_key(rng: random.Random, country: str) -> Value:
    """Return a key or token in the form of one of its well-known issuers."""
    return Value("key", country, rng.choice(_KEYS)(rng))


def make_password(rng: random.Random, country: str) -> Value:
    """Return a password of a word, a sign and digits, or of random letters, digits and a sign."""
    sign = rng.choice("!#$%*-_=")
    if rng.random() < 0.5:
        return Value("password", country, f"{rng.choice(_WORDS)}{sign}{_digits(rng, 4)}")
    pick = string.ascii_letters + string.digits
    return Value("password", country, f"{_pick(rng, pick, 5)}{sign}{_pick(rng, pick, 4)}{rng.randrange(10)}")


def make_private_key(rng: random.Random, country: str) -> Value:
    """Return a block with a private key."""
    label = rng.choice(("RSA ", "EC ", "", "OPENSSH ")) + "PRIVATE " + "KEY"
    rows = [_pick(rng, _BASE64, 64) for _ in range(rng.randrange(3, 7))]
    lines = (f"-----BEGIN {label}-----", *rows, f"{_pick(rng, _BASE64, 22)}==", f"-----END {label}-----")
    return Value("private_key", country, "\n".join(lines))


def _json_web_token(rng: random.Random) -> str:
    claims = {"sub": _digits(rng, 8), "iat": rng.randrange(1_600_000_000, 1_700_000_000)}
    read = (json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "HS256"}, claims))
    parts = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in read)
    return ".".join((*parts, _pick(rng, _ALNUM, 43)))


_ALNUM = string.ascii_letters + string.digits
_BASE64 = _ALNUM + "+/"
_KEYS: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: "AKIA" + _pick(rng, string.ascii_uppercase + "234567", 16),  # Amazon
    lambda rng: "ghp_" + _pick(rng, _ALNUM, 36),  # GitHub
    lambda rng: "glpat-" + _pick(rng, _ALNUM, 20),  # GitLab
    lambda rng: f"xoxb-{_digits(rng, 12)}-{_digits(rng, 12)}-{_pick(rng, _ALNUM, 24)}",  # Slack
    lambda rng: "sk_live_" + _pick(rng, _ALNUM, 24),  # Stripe
    lambda rng: "AIza" + _pick(rng, _ALNUM, 35),  # Google
    lambda rng: f"sk-{_pick(rng, _ALNUM, 20)}T3BlbkFJ{_pick(rng, _ALNUM, 20)}",  # OpenAI
    lambda rng: "hf_" + _pick(rng, string.ascii_letters, 34),  # Hugging Face
    lambda rng: "npm_" + _pick(rng, _ALNUM, 36),  # npm
    lambda rng: f"SG.{_pick(rng, _ALNUM, 22)}.{_pick(rng, _ALNUM, 43)}",  # SendGrid
    _json_web_token,
)


def _digits(rng: random.Random, count: int) -> str:
    return _pick(rng, string.digits, count)


def _pick(rng: random.Random, letters: str, count: int) -> str:
    return "".join(rng.choices(letters, k=count))


def _group(text: str, lengths: tuple[int, ...], separator: str) -> str:
    starts = [sum(lengths[:place]) for place in range(len(lengths))]
    return separator.join(filter(None, (text[at : at + size] for at, size in zip(starts, lengths, strict=True))))
