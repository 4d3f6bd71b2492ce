"""Secrets: find keys, tokens and passwords in texts."""

import re

import polars as pl

from nightloom.scanners.base import Match, Pattern, find_patterns, may_match

_LONG_NAMES = (
    r"(?:password|passwd|passphrase|passwort|kennwort|pwd|contraseña|senha|wachtwoord|hasło|mot de passe|secret"
    r"|(?:api|secret|access|account)[ _-]?key|(?:access|auth|api)[ _-]?token|client[ _-]?secret)"
)
_NAMES = rf"(?i:(?<![A-Za-z]){_LONG_NAMES}(?![A-Za-z]))[\"']?"
_SHORT_NAMES = r"(?i:(?<![A-Za-z])(?:pass|pw|token)(?![A-Za-z]))[\"']?"
_OPTIONS = r"--?(?:password|passwd|pass|token|secret|api-key)[ =]"
# Not a placeholder for a value, nor a function call.
_VALUE = r"(?!\$|<|%[A-Za-z]|\{|[*•.x]+(?:[\s\"']|\Z)|(?i:your)|\w+\()"
# After a name in a sentence, a value that is not a word: with a digit, or a capital inside. "The password is wrong"
# reveals nothing. After `password=` any value counts.
_NO_WORD = r"(?=[^\s\"']{0,200}(?:[0-9]|[a-z][A-Z]))(?=[^\s\"']{0,200}[A-Za-z])[^\s\"']{6,200}"
_ASSIGNED = (
    rf"{_NAMES}(?:=[\"']?{_VALUE}[^\s\"']{{6,200}}"
    rf"|\s{{0,3}}(?i:=>?|:=?|\b(?:is|was|ist|lautet|est|es)\b)\s{{0,3}}[\"']?{_VALUE}{_NO_WORD})"
    rf"|[/,;|]\s{{0,2}}{_NAMES}\s{{1,2}}{_VALUE}{_NO_WORD}"
    rf"|{_SHORT_NAMES}\s?[:=]\s{{0,3}}[\"']?{_VALUE}{_NO_WORD}|(?<!\S){_OPTIONS}[\"']?{_VALUE}{_NO_WORD}"
)

_BLANK = r"[\s\x1c-\x1f]"
# Python matches the Turkish letters as i, but Rust does not.
_PREFILTER_NAMES, _PREFILTER_OPTIONS = (names.replace("i", "(?:i\u0307?|\u0131)") for names in (_LONG_NAMES, _OPTIONS))
_PREFILTER = (
    rf"(?i)(?:{_PREFILTER_NAMES}|pass|pw|token)[\"']?{_BLANK}{{0,3}}(?:[=:i\u0131]|was|lautet|es)"
    rf"|[/,;|]{_BLANK}{{0,2}}{_PREFILTER_NAMES}[\"']?{_BLANK}|{_PREFILTER_OPTIONS}"
)

PATTERNS = tuple(
    Pattern(kind, hints, re.compile(expression), _PREFILTER if kind == "assigned_secret" else "")
    for kind, hints, expression in (
        ("aws_access_key", (("akia", "asia"),), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        (
            "github_token",
            (("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),),
            r"\bgh[oprsu]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
        ),
        ("gitlab_token", (("glpat-",),), r"\bglpat-[A-Za-z0-9_-]{20,255}"),
        ("slack_token", (("xox",),), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,255}"),
        ("slack_webhook", (("hooks.slack",),), r"\bhooks\.slack\.com/services/[A-Za-z0-9/]{20,255}"),
        ("stripe_key", (("k_live_", "k_test_"),), r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,255}\b"),
        ("google_api_key", (("aiza",),), r"\bAIza[A-Za-z0-9_-]{35}\b"),
        ("openai_key", (("sk-",),), r"\bsk-(?:[a-z]{2,8}-)?[A-Za-z0-9_-]{20,255}\b"),
        ("hugging_face_token", (("hf_",),), r"\bhf_[A-Za-z0-9]{30,255}\b"),
        ("npm_token", (("npm_",),), r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("pypi_token", (("pypi-",),), r"\bpypi-[A-Za-z0-9_-]{50,255}"),
        ("sendgrid_key", (("sg.",),), r"\bSG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,80}"),
        ("telegram_token", ((":aa",),), r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])"),
        ("private_key", (("private key",),), r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY"),
        ("jwt", (("eyj",),), r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}"),
        ("bearer_token", (("bearer",),), r"(?i:\bbearer\s{1,3})[A-Za-z0-9._~+/-]{20,}"),
        ("url_password", (("://",), ("@",)), r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:[^\s/@]{3,100}@"),
        (
            "assigned_secret",
            (
                (
                    "pass",
                    "kennwort",
                    "pwd",
                    "pw",
                    "contrase",
                    "senha",
                    "wachtwoord",
                    "has\u0142o",
                    "secret",
                    "key",
                    "token",
                ),
                ("=", ":", "is", "was", "lautet", "est", "es", "--", "/", ",", ";", "|"),
            ),
            _ASSIGNED,
        ),
    )
)


def find_secrets(text: str) -> list[Match]:
    """Find secrets that have a known form or follow a name such as `password`."""
    return find_patterns(text, PATTERNS)


def may_hold_secrets(texts: pl.Series) -> pl.Series:
    """Return whether each text needs the full search: true for all with a secret, and some others."""
    return may_match(texts, PATTERNS)
