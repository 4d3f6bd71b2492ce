"""Secrets: keys, tokens and passwords that somebody pasted into a text."""

import re

import polars as pl

from nightloom.scanners.spans import Pattern, Span, find_patterns, may_match

_NAMES = (
    r"(?i:\b(?:password|passwd|passphrase|pwd|secret|api[ _-]?key|secret[ _-]?key|access[ _-]?key|(?:access|auth|api)"
    r"[ _-]?token|client[ _-]?secret)\b)[\"']?"
)
# After a name in a sentence, a value that is no word: with a digit, or a capital inside. "The password is wrong" gives
# nothing away. After `password=` any value does.
_ASSIGNED = (
    rf"{_NAMES}(?:=[\"']?[^\s\"']{{6,200}}"
    r"|\s{0,3}(?i:=>?|:=?|\bis\b)\s{0,3}[\"']?"
    r"(?=[^\s\"']{0,200}(?:[0-9]|[a-z][A-Z]))(?=[^\s\"']{0,200}[A-Za-z])[^\s\"']{6,200})"
)

PATTERNS = tuple(
    Pattern(kind, hints, re.compile(expression))
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
        ("private_key", (("private key",),), r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY"),
        ("jwt", (("eyj",),), r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}"),
        ("bearer_token", (("bearer",),), r"(?i:\bbearer\s{1,3})[A-Za-z0-9._~+/-]{20,}"),
        ("url_password", (("://",), ("@",)), r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:[^\s/@]{3,100}@"),
        (
            "assigned_secret",
            (("passw", "passphrase", "pwd", "secret", "key", "token"), ("=", ":", "is")),
            _ASSIGNED,
        ),
    )
)


def find_secrets(text: str) -> list[Span]:
    """Find secrets that have a known form or are named as such."""
    return find_patterns(text, PATTERNS)


def may_hold_secrets(texts: pl.Series) -> pl.Series:
    """Tell which texts are worth the search: all that hold a secret, and some that hold none."""
    return may_match(texts, PATTERNS)
