"""Words around a number that call it a telephone number."""

import re

from nightloom.scanners.plain import LATIN

_BEFORE, _AFTER = 40, 30  # characters around a number that may say what it is

_WORDS = (
    *(
        "tel",
        "tlf",
        "tél",
        "tfno",
        "fono",
        "cell",
        "cellulare",
        "mob",
        "gsm",
        "natel",
        "portable",
        "viber",
        "signal",
        "sms",
        "fax",
    ),
    *("hotline", "kom", "cep", "sđt", "điện thoại", "gọi", "call", "calls", "called", "calling", "caller", "text"),
    *("texted", "texting", "ring", "ringa", "rang", "ruf", "rufen", "rufnummer", "durchwahl", "joindre", "joignable"),
    *("ligar", "ligue", "bel", "bellen", "opbellen", "volat", "ara"),
)
"""Words of a telephone or of a call in Latin letters."""

_STEMS = (
    *(
        "contact",
        "kontakt",
        "telep",
        "telef",
        "télép",
        "teléf",
        "handy",
        "mobil",
        "móvil",
        "telemóv",
        "telemov",
        "celular",
        "komórk",
        "whatsapp",
    ),
    *("whats app", "dial", "reach", "rückruf", "llam", "llám", "appel", "rappel", "chiam", "richiam", "zadzwo", "dzwo"),
    *("oddzwo", "soita", "puhelin", "zavol", "hív", "suna", "sună", "aray"),
)
"""Beginnings of such words."""

_ENDS = ("phone", "phones", "phonenumber", "anruf", "anrufen", "anrufe", "erreichen", "erreichbar", "erreiche")
"""Ends of such words."""

_PARTS = (
    *("телеф", "тел.", "моб", "сот.", "звон", "вотсап", "ватсап", "вайбер", "смс", "дзвон", "τηλ", "κινητ", "καλέσ"),
    *(
        "電話",
        "电话",
        "手机",
        "手機",
        "携帯",
        "ケータイ",
        "スマホ",
        "連絡先",
        "に連絡",
        "へ連絡",
        "联系我",
        "联系方式",
        "聯絡",
        "聯繫",
        "致电",
        "來電",
    ),
    *("来电", "短信", "전화", "휴대폰", "핸드폰", "연락처", "문자", "번으로", "טלפון", "טל'", "טל׳", "טל.", "נייד"),
    *("פלאפון", "וואטסאפ", "התקשר", "מתקשר", "חייג", "هاتف", "جوال", "موبايل", "تلفون", "تليفون", "محمول", "اتصل"),
    *("واتس", "تلفن", "موبایل", "تماس", "फ़ोन", "फ़ोन", "फोन", "मोबाइल", "कॉल", "व्हाट्सऐप", "ফোন", "মোবাইল"),
    *("போன்", "தொலைபேசி", "ఫోన్", "ಫೋನ್", "ഫോൺ", "ફોન", "ਫੋਨ", "โทร", "มือถือ", "เบอร์", "հեռախոս", "ტელეფონ", "ስልክ"),
    *("ໂທ", "ទូរស័ព្ទ", "ဖုန်း"),
)
"""Parts of such words in scripts whose words need not be separated."""

_LETTER = f"[{LATIN}]"


def _either(words: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, words))


_MINE = (
    "(?:my|our|her|his|their|meine?|unsere|mon|mi|mój|meu|mio) (?:new |neue )?(?:number|nummer|num[eé]ro|número|numer)"
)
_PHONE = re.compile(
    rf"(?<!{_LETTER})(?:{_either(_WORDS)}|(?:{_either(_STEMS)}){_LETTER}*|{_LETTER}*(?:{_either(_ENDS)})|{_MINE})(?!{_LETTER})"
    rf"|wa\.me/|{_either(_PARTS)}",
    re.IGNORECASE,
)
# Such a word just before the number, with a sign or a word that announces it.
_ANNOUNCED = re.compile(
    rf"(?:{_PHONE.pattern})[^\W\d_]{{0,8}}\s?(?:[.:=]|(?:is|no|number|nr|ist|est|es|to|är|er)\b\.?)[\s:.(]{{0,3}}\Z",
    re.IGNORECASE,
)
# What a mail program writes below every message.
_SENT_FROM = re.compile(
    r"(?:sent|gesendet|envoy[ée]|enviad[oa]|inviato|wysłan\w*|verzonden|skickat|sendt|отправлено)[^.!?\n]{0,24}?"
    r"(?:phone|handy|telefon\w*|móvil|mobile|телефона)(?![^\W\d_])|手机发送|携帯から送信|iPhoneから送信",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…]\s+(?=[^\W\d_])|[。！？।\n]|\d")
_FIELD_END = re.compile(r"\"\s?[,}\]]|\|")


# A noun for a telephone just before the number.
_CALLED = re.compile(
    rf"(?<!{_LETTER})(?:tel|tlf|fono|tele[fp]{_LETTER}+|tel[eé]f{_LETTER}+|telem[oó]vel|m[óo]vil|celular|mobile?|gsm|natel|handy|fax|phone)"
    r"\s\Z",
    re.IGNORECASE,
)
# Such a word that the number touches.
_TOUCHING = re.compile(
    rf"(?:{_PHONE.pattern})\Z|(?<!{_LETTER})(?:{_MINE}|num[eé]ro|número|number|nummer)\Z", re.IGNORECASE
)


def ends_with_phone_word(before: str) -> bool:
    """Whether the text before a number ends with such a word, without a blank."""
    return bool(_TOUCHING.search(before[-_BEFORE:]))


def is_named_phone(text: str, start: int, end: int) -> bool:
    """Whether a word in the same sentence, close to a number, calls it a telephone number."""
    before = _SENTENCE_END.split(_SENT_FROM.sub("", text[max(start - _BEFORE, 0) : start]))[-1]
    after = _SENTENCE_END.split(_SENT_FROM.sub("", _FIELD_END.split(text[end : end + _AFTER])[0]))[0]
    return bool(_PHONE.search(before) or _PHONE.search(after))


def is_called_phone(before: str) -> bool:
    """Whether the text before a number ends with a noun for a telephone."""
    return bool(_CALLED.search(before))


def is_announced_phone(before: str) -> bool:
    """Whether the text before a number announces a telephone number, as `Tel.:` does."""
    return bool(_ANNOUNCED.search(before))
