"""Secrets: find keys, tokens and passwords in texts."""

import re

import polars as pl

from nightloom.scanners.base import Match, Pattern, find_patterns, may_match
from nightloom.scanners.tokens import TOKENS

_LONG_NAMES = (
    r"(?:password|passwd|passphrase|passcode|passwort|kennwort|pwd|contrase[ñÑ]a|contrasenya|senha|palavra-passe|wachtwoord"
    r"|has[łŁ]o|heslo|jelsz[óÓ]|geslo|lozinka|parol[ae]m?|[şŞ]ifrem?|salasana(?:ni)?|passord(?:et)?|adgangskoden?"
    r"|l[öÖ]senord(?:et)?|kata sandi|m[ậẬ]t kh[ẩẨ]u|mot de passe|secret"
    r"|(?:api|secret|access|account)[ _-]?key|(?:access|auth|api)[ _-]?token"
    r"|client[ _-]?secret)"
)
_SHORT_NAMES = r"(?:pass|pw|token)"
_FOREIGN_NAMES = (
    r"(?:[Пп]арол[а-яё]*|ПАРОЛ[А-ЯЁ]*|[Κκ]ωδικ[α-ωά-ώ]*|密码|密碼|口令|パスワード|暗証番号|비밀번호|패스워드|암호|סיסמ[הא]|סיסמת"
    r"|كلمة (?:ال)?(?:مرور|سر)|رمز عبور|पासवर्ड|পাসওয়ার্ড|கடவுச்சொல்|รหัสผ่าน|พาสเวิร์ด)"
)
_OPTIONS = r"--?(?:password|passwd|pass|token|secret|api-key)[ =]"

_BLANK = r"[\s\u00a0\u202f\u3000]"
# A value ends at a quotation mark or a letter of another script, and before the signs that end a sentence.
_SIGN = r"[!#-&(-~\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]"
_LAST = r"(?<![.,;:?)\]}>])"
# Not a placeholder for a value, nor an address, the name of a constant or a function call.
_PART = r"(?:self|this|os|process|env|config|cfg|settings|args|options|params|secrets|var)\.[A-Za-z]"
_CONSTANT = "[A-Z]+(?:_[A-Z]+)+(?![A-Za-z0-9])"
_VALUE = rf"(?!{_PART}|https?:|\$|<|%[A-Za-z]|[{{]|[*•.x]+(?:[\s\"']|\Z)|(?i:your)|{_CONSTANT}|[\w.]+\()"
_ANY = rf"({_VALUE}{_SIGN}{{6,200}}{_LAST})"
# After a name in a sentence, a value that is not a word: with a digit, or a capital inside. "The password is wrong"
# reveals nothing. After `password=` any value counts.
_NO_WORD = rf"({_VALUE}(?={_SIGN}{{0,200}}(?:[0-9]|[a-z][A-Z]))(?={_SIGN}{{0,200}}[A-Za-z]){_SIGN}{{6,200}}{_LAST})"
# Where nothing says that the value follows, one with a letter, a digit and a sign inside.
_MARK = r"[!#$%&*+=?@^_~-]"
_STRONG = (
    rf"({_VALUE}(?={_SIGN}{{0,200}}[A-Za-z])(?={_SIGN}{{0,200}}[0-9])(?={_SIGN}{{1,200}}{_MARK}[A-Za-z0-9])"
    rf"(?!{_SIGN}+@{_SIGN}+\.[a-z]){_SIGN}{{8,200}}{_LAST})"
)
_NAMES = rf"(?i:(?<![A-Za-z]){_LONG_NAMES}(?![A-Za-z]))[\"')\]]{{0,2}}"
_IS = r"(?i:is|was|ist|war|lautet|est|es|era|[éÉèÈ]|jest|[äÄ]r|er|oli)"
_NOW = r"(?i:now|jetzt|nun|d[ée]sormais|maintenant|ahora|adesso|ora|agora|teraz|nu)"
_SET = r"(?i:(?:chang|updat|set|reset|renew)[a-z]{0,4}\s(?:the\s|my\s|your\s|our\s|his\s|her\s)?"
_QUOTED = r"[\"'“«„(]?"
_AFTER_NAME = (
    rf"=[\"']?{_ANY}",
    rf"{_BLANK}{{0,3}}(?:=>?|:=?|：|{_IS}{_BLANK}|(?<=o )to\s){_BLANK}{{0,3}}{_QUOTED}{_NO_WORD}",
    rf"(?:{_BLANK}[a-zà-ž]{{1,15}}){{1,3}}{_BLANK}{_IS}{_BLANK}{_QUOTED}{_NO_WORD}",
    rf"(?:{_BLANK}[a-zà-ž]{{1,15}}){{1,3}}{_BLANK}?[:=]{_BLANK}{{0,3}}{_QUOTED}{_STRONG}",
    rf"(?:{_BLANK}[a-z]{{1,15}}){{0,3}}{_BLANK}(?:changed|reset|set|updated){_BLANK}to{_BLANK}{_QUOTED}{_NO_WORD}",
    rf">({_VALUE}(?=[^<\s]{{0,100}}[0-9])(?=[^<\s]{{0,100}}[A-Za-z])[^<\s]{{6,100}})</",
    rf"{_BLANK}{{1,8}}value[\"']?{_BLANK}?[:=]{_BLANK}?[\"']?({_VALUE}(?={_SIGN}{{0,100}}[0-9])(?={_SIGN}{{0,100}}[A-Za-z]){_SIGN}{{6,200}}{_LAST})",
    rf",?{_BLANK}(?:{_NOW}:?{_BLANK})?{_QUOTED}{_STRONG}",
)
_LATIN_NAMES = (
    *(
        "pass",
        "kennwort",
        "pwd",
        "contrase",
        "senha",
        "palavra-passe",
        "wachtwoord",
        "hasło",
        "heslo",
        "jelsz",
        "geslo",
    ),
    *(
        "lozinka",
        "parol",
        "ifre",
        "salasana",
        "adgangskode",
        "senord",
        "kata sandi",
        "mật kh",
        "secret",
        "key",
        "token",
    ),
)
_OTHER_NAMES = (
    *(
        "парол",
        "κωδικ",
        "密码",
        "密碼",
        "口令",
        "パスワード",
        "暗証番号",
        "비밀번호",
        "패스워드",
        "암호",
        "סיסמ",
        "كلمة",
    ),
    *("رمز عبور", "पासवर्ड", "পাসওয়ার্ড", "கடவுச்சொல்", "รหัสผ่าน", "พาสเวิร์ด"),
)
# Six characters, the fewest of a value, among them a digit.
_SIX_WITH_DIGIT = r"(?:[0-9]\S{5}|\S[0-9]\S{4}|\S{2}[0-9]\S{3}|\S{3}[0-9]\S{2}|\S{4}[0-9]\S|\S{5,}[0-9])"
_LATIN_PREFILTER = (
    rf"(?i){_LONG_NAMES}(?:(?:\S*\s+){{0,6}}{_SIX_WITH_DIGIT}|[\"')\]]{{0,2}}\s{{0,3}}[=:：]|(?:\S*\s+){{1,4}}(?:{_IS}|to)\s+\S{{6}})"
    rf"|[/,;|]\s{{0,2}}{_LONG_NAMES}[\"')\]]{{0,2}}\s+\S{{6}}"
    rf"|[0-9]\S*\s(?:as|is|ist|est|es)\s\S+\s{_LONG_NAMES}"
)
_ASSIGNED = (
    (_LATIN_NAMES, rf"{_NAMES}(?:{'|'.join(_AFTER_NAME)})", _LATIN_PREFILTER),
    (_LATIN_NAMES, rf"{_SET}{_LONG_NAMES})\sto\s{_QUOTED}{_NO_WORD}", _LATIN_PREFILTER),
    (
        _LATIN_NAMES,
        rf"(?<![!-~]){_QUOTED}{_STRONG}[\"'”»“]?\s(?:as|is|ist|est|es)\s[a-z]{{2,6}}\s{_NAMES}",
        _LATIN_PREFILTER,
    ),
    (_LATIN_NAMES, rf"[/,;|]\s{{0,2}}{_NAMES}\s{{1,2}}{_NO_WORD}", _LATIN_PREFILTER),
    (
        ("pass", "pw", "token"),
        rf"(?i:(?<![A-Za-z]){_SHORT_NAMES}(?![A-Za-z]))[\"']?\s?[:=]\s{{0,3}}[\"']?{_NO_WORD}",
        rf"(?i){_SHORT_NAMES}[\"']?\s?[:=]",
    ),
    (("--", "-p", "-t", "-s", "-a"), rf"(?<!\S){_OPTIONS}[\"']?{_NO_WORD}", f"(?i){_OPTIONS}"),
    (
        _OTHER_NAMES,
        rf"{_FOREIGN_NAMES}[\"')]{{0,2}}{_BLANK}{{0,2}}(?:[:=：]|是|为|為|は|が|는|은|คือ|है|היא){_BLANK}{{0,3}}(?:「|{_QUOTED}){_NO_WORD}",
        f"(?i){_FOREIGN_NAMES}",
    ),
    (
        _OTHER_NAMES,
        rf"{_FOREIGN_NAMES}[^!-~\n]{{0,3}}(?:[^\x21-\x7e\n]|[,:;(\[\"']){{0,16}}{_STRONG}",
        f"(?i){_FOREIGN_NAMES}",
    ),
)
PATTERNS = TOKENS + tuple(
    Pattern("assigned_secret", (names,), re.compile(expression, re.ASCII), prefilter)
    for names, expression, prefilter in _ASSIGNED
)


def find_secrets(text: str) -> list[Match]:
    """Find secrets that have a known form or follow a name such as `password`."""
    return find_patterns(text, PATTERNS)


def may_hold_secrets(texts: pl.Series) -> pl.Series:
    """Return whether each text needs the full search: true for all with a secret, and some others."""
    return may_match(texts, PATTERNS)
