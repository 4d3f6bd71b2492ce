"""Personal data as people write it, in as many forms: addresses, accounts, cards, networks and telephones, seeded."""

import ipaddress
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits

import phonenumbers

FIRST = ("anna", "j", "mohammed", "lucía", "tom", "o'brien", "mary-jane", "zoë", "KLAUS", "li", "priya", "Sven")
LAST = ("keller", "smith", "garcia", "nowak", "de.vries", "rossi", "Meyer", "tanaka", "kumar", "da_silva", "lee")
DOMAINS = (
    *("gmail.com", "web.de", "outlook.com", "example.co.uk", "mail.example.org", "firma-mueller.de", "uni-köln.de"),
    *("posteo.net", "yahoo.fr", "team.support.example.io", "startup.dev", "gov.br", "libero.it", "company.museum"),
)

# The part after country and check digits: n digits, a capitals, c either.
IBANS = {
    "DE": "18n", "FR": "10n11c2n", "GB": "4a14n", "ES": "20n", "IT": "1a10n12c", "NL": "4a10n", "BE": "12n",
    "AT": "16n", "CH": "5n12c", "PL": "24n", "SE": "20n", "NO": "11n", "DK": "14n", "FI": "14n", "IE": "4a14n",
    "PT": "21n", "LU": "3n13c", "CZ": "20n", "GR": "7n16c", "HU": "24n", "RO": "4a16c", "TR": "6n16c", "AE": "19n",
    "SA": "2n18c", "LV": "4a13c", "LT": "16n", "EE": "16n", "HR": "17n", "BG": "4a6n8c", "MT": "4a5n18c",
}  # fmt: skip

# First digits and length of a number.
CARDS = {
    "visa": (("4",), 16),
    "mastercard": (("51", "52", "53", "54", "55"), 16),
    "new mastercard": (("2221", "2400", "2720"), 16),
    "amex": (("34", "37"), 15),
    "discover": (("6011", "65", "644"), 16),
    "jcb": (("3528", "3589"), 16),
    "diners": (("300", "305", "36", "38"), 14),
    "unionpay": (("62",), 16),
}

NATIONAL = ("US", "GB", "DE", "FR", "IL", "IN", "BR")
ABROAD = (
    *("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR", "ES", "IT", "NL", "BE", "AT", "CH", "PL", "SE", "NO", "DK", "FI"),
    *("IE", "PT", "CZ", "GR", "HU", "RO", "TR", "AE", "JP", "KR", "CN", "AU", "NZ", "ZA", "MX", "AR", "NG", "KE", "SG"),
)


def email(random: Random) -> str:
    """An address with a name, a number or a tag in it, at a domain of two to four labels."""
    first, last = random.choice(FIRST), random.choice(LAST)
    tagged = f"{last}+{random.choice(('shop', 'newsletter', 'abc-1'))}"
    numbered = (f"{first}_{last}{random.randint(1, 99)}", f"{first}{random.randint(1950, 2010)}")
    local = random.choice((f"{first}.{last}", f"{first}{last}", f"{first[0]}.{last}", *numbered, tagged, "info"))
    address = f"{local}@{random.choice(DOMAINS)}"
    return address.upper() if random.random() < 0.03 else address


def iban(random: Random) -> str:
    """An account of a random country, with right check digits, in one piece or in groups of four."""
    country = random.choice(list(IBANS))
    account = "".join(
        random.choice({"n": digits, "a": ascii_uppercase, "c": ascii_uppercase + digits}[kind])
        for count, kind in _parts(IBANS[country])
        for _ in range(count)
    )
    check = 98 - int("".join(str(int(one, 36)) for one in f"{account}{country}00")) % 97
    return group(f"{country}{check:02d}{account}", (4,) * 9, random.choices(("", " ", "-"), (4, 6, 1))[0])


def card(random: Random) -> str:
    """A number of an issuer that there is, with a right check digit, as it is printed, with dashes or in one piece."""
    starts, length = CARDS[random.choices(list(CARDS), (8, 6, 1, 3, 1, 1, 1, 1))[0]]
    number = random.choice(starts)
    number += "".join(random.choices(digits, k=length - 1 - len(number)))
    sizes = (4, 4, 4, 4) if length == 16 else (4, 6, 5)
    return group(number + luhn_digit(number), sizes, random.choices(("", " ", "-"), (4, 6, 2))[0])


def network(random: Random) -> str:
    """An address of version 4 or 6, short or long, now and then with the size of its network."""
    if random.random() < 0.65:
        address = ".".join(str(random.choice((10, 172, 192, random.randint(11, 223)))) for _ in range(1))
        address += "".join(f".{random.randint(0, 255)}" for _ in range(3))
        return address + random.choices(("", f"/{random.randint(8, 30)}"), (9, 1))[0]
    groups = [f"{random.getrandbits(16):x}" for _ in range(8)]
    if random.random() < 0.6:
        start = random.randint(1, 5)
        groups[start : start + 2] = ["0", "0"]
    address = ":".join((random.choice(("2001", "2a02", "fe80", "fd12")), *groups[1:]))
    return random.choice((address, ipaddress.ip_address(address).compressed, address.upper()))


def phone(random: Random) -> str:
    """A number that is in use somewhere, from abroad or as it is written at home."""
    if random.random() < 0.5:
        return _from_abroad(random)
    region = random.choice(NATIONAL)
    number = _number(random, region)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    if region in ("US", "CA"):
        return _respell(random, national, ("{}", "1-{}", "{}"))
    return _respell(random, national, ("{}",))


def bare_phone(random: Random) -> str:
    """A number of the United States or India in one piece: an order number looks no different."""
    number = _number(random, random.choice(("US", "IN")))
    return phonenumbers.national_significant_number(number)


def luhn_digit(number: str) -> str:
    """Return the check digit of a card's number."""
    doubled = [int(digit) * (2 if at % 2 == 0 else 1) for at, digit in enumerate(reversed(number))]
    return str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def group(spelled: str, sizes: tuple[int, ...], between: str) -> str:
    """Put something between groups of these sizes."""
    groups, at = [], 0
    for size in sizes:
        groups.append(spelled[at : at + size])
        at += size
    return between.join(part for part in (*groups, spelled[at:]) if part)


def _parts(structure: str) -> list[tuple[int, str]]:
    parts, count = [], ""
    for letter in structure:
        if letter in ascii_lowercase:
            parts.append((int(count), letter))
            count = ""
        else:
            count += letter
    return parts


def _number(random: Random, region: str) -> phonenumbers.PhoneNumber:
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    while True:
        example = phonenumbers.example_number_for_type(region, random.choice(kinds))
        spelled = phonenumbers.national_significant_number(example)
        kept = random.randint(3, 5)
        spelled = spelled[:kept] + "".join(random.choices(digits, k=len(spelled) - kept))
        number = phonenumbers.parse(f"+{example.country_code}{spelled}")
        if phonenumbers.is_valid_number(number):
            return number


def _from_abroad(random: Random) -> str:
    number = _number(random, random.choice(ABROAD))
    international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    compact = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    code, _, rest = international.partition(" ")
    return random.choice(
        (
            *(international, international, compact, international.replace(" ", "-"), international.replace(" ", ".")),
            *(f"({code}) {rest}", f"{code}{rest.replace(' ', '')}", f"{code} {rest.replace(' ', '').replace('-', '')}"),
        )
    )


def _respell(random: Random, national: str, forms: tuple[str, ...]) -> str:
    first, _, rest = national.partition(" ")
    forms_at_home = [national, national, national, national.replace(" ", "-"), national.replace(" ", ".")]
    if rest:
        forms_at_home += [
            f"{first}/{rest}",
            f"{first} {rest.replace(' ', '').replace('-', '')}",
            national.replace(" ", ""),
        ]
    respelled = random.choice(forms_at_home)
    return random.choice(forms).format(respelled)
