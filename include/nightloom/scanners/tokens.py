"""Tokens: keys, tokens and private keys whose form is known, mostly because their beginning names the service."""

import re
from collections.abc import Iterator

from nightloom.scanners.base import Pattern, join_words

# Beginnings, each with the fewest characters that follow: letters and digits, digits of base 16, or also dashes.
_LETTERS = {
    **dict.fromkeys(("fw_", "rnd_"), 24),
    **dict.fromkeys(("aio_", "napi_", "whsec_", "shpat_", "shpss_", "shpca_", "shppa_", "ntn_", "cio"), 28),
    **dict.fromkeys(("r8_", "gsk_", "lin_api_", "secret_", "phc_", "phx_", "pplx-", "xai-", "EZAK"), 32),
}
_HEXADECIMAL = {
    **dict.fromkeys(("dapi", "key-", "pul-", "glptt-", "sbp_"), 32),
    **dict.fromkeys(("dop_v1_", "doo_v1_", "dor_v1_", "rubygems_"), 32),
}
_DASHED = {
    **dict.fromkeys(("glrt-", "gldt-", "glft-", "glsoat-", "glcbt-", "glimt-", "glagent-", "sq0atp-", "sq0csp-"), 20),
    **dict.fromkeys(("GOCSPX-", "dckr_pat_", "NRAK-", "PMAK-", "tskey-auth-", "tskey-api-", "figd_", "glsa_"), 20),
    **dict.fromkeys(("lsv2_pt_", "lsv2_sk_", "xkeysib-", "FLWSECK-", "FLWSECK_TEST-"), 30),
    **dict.fromkeys(("pscale_tkn_", "pscale_pw_", "pscale_oauth_", "sntrys_", "glc_", "ATATT3", "ATCTT3", "ATBB"), 28),
    **dict.fromkeys(("xapp-", "ya29.", "dp.pt.", "dp.st.", "sl.", "hvs.", "hvb.", "fm2_", "EAACEdEose0cBA"), 40),
}
_BEGUN = (
    *((word, "[A-Za-z0-9]", least) for word, least in _LETTERS.items()),
    *((word, "[0-9a-f]", least) for word, least in _HEXADECIMAL.items()),
    *((word, "[A-Za-z0-9_-]", least) for word, least in _DASHED.items()),
)


_KEY_BLOCK = (
    r"-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY(?: BLOCK)?(?:-----)?"
    r"(?:(?s:.{0,20000}?)-----END [A-Z0-9 ]{0,20}PRIVATE KEY(?: BLOCK)?-----|(?:\s{1,2}[A-Za-z0-9+/=]{16,})*)"
    r"|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----(?:(?s:.{0,20000}?)---- END SSH2 ENCRYPTED PRIVATE KEY ----)?"
    r"|PuTTY-User-Key-File-[0-9]:(?:(?s:.{0,20000}?)Private-(?:MAC|Hash): ?[0-9a-f]{1,64})?"
)


_FORMS = (
    ("aws_access_key", (("akia", "asia"),), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (
        "github_token",
        (("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),),
        r"\bgh[oprsu]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
    ),
    ("gitlab_token", (("glpat-",),), r"\bglpat-[A-Za-z0-9_-]{20,255}"),
    ("slack_token", (("xox",),), r"\bxox[abeoprs](?:\.xox[bp])?-(?=[A-Za-z-]{0,12}[0-9])[A-Za-z0-9-]{10,255}"),
    ("slack_webhook", (("hooks.slack",),), r"\bhooks\.slack\.com/services/[A-Za-z0-9/]{20,255}"),
    ("stripe_key", (("k_live_", "k_test_"),), r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,255}\b"),
    ("google_api_key", (("aiza",),), r"\bAIza[A-Za-z0-9_-]{35}\b"),
    (
        "openai_key",
        (("sk-",),),
        # Names of classes have no digit, and no word of so many letters.
        r"\bsk-(?=[A-Za-z_-]{0,100}(?:[0-9]|[A-Za-z]{32}))(?:[a-z]{2,8}-)?[A-Za-z0-9_-]{20,255}\b",
    ),
    ("hugging_face_token", (("hf_",),), r"\bhf_[A-Za-z0-9]{30,255}\b"),
    ("npm_token", (("npm_",),), r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi_token", (("pypi-",),), r"\bpypi-[A-Za-z0-9_-]{50,255}"),
    ("sendgrid_key", (("sg.",),), r"\bSG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,80}"),
    ("telegram_token", ((":aa",),), r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])"),
    ("private_key", (("private key", "putty-user-key-file"),), _KEY_BLOCK),
    (
        "webhook",
        (("api/webhooks", "webhook.office"),),
        r"\bdiscord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[A-Za-z0-9_-]{50,100}"
        r"|\b[a-z0-9-]{1,40}\.webhook\.office\.com/webhookb2/[A-Za-z0-9/@-]{60,400}",
    ),
    (
        "signed_address",
        (("sig=", "x-amz-signature="),),
        r"(?:[?&]sig=|\bX-Amz-Signature=)([A-Za-z0-9%/+]{20,200}={0,2})",
    ),
    ("age_key", (("age-secret-key-",),), r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,60}\b"),
    # Signed, unsigned and encrypted.
    (
        "jwt",
        (("eyj",),),
        r"\beyJ[A-Za-z0-9_-]{8,}\.(?:eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]{10,}){3})",
    ),
    ("bearer_token", (("bearer",),), r"(?i:\bbearer\s{1,3})([A-Za-z0-9._~+/-]{20,})"),
    (
        "authorization",
        (("authorization",),),
        r"(?i:\bauthorization[\"']?\s?[:=]\s?[\"']?(?:basic|token|apikey|key)\s)"
        r"((?=[^\s\"']{0,100}[0-9]|[^\s\"']{16})[A-Za-z0-9._~+/-]{8,400}={0,2})",
    ),
    (
        "session",
        (("cookie:",),),
        r"(?i:\bcookie:[^\n]{0,200}?(?:sess[a-z_]*|sid|token|auth)=)([A-Za-z0-9%._-]{16,400})",
    ),
    (
        "url_password",
        (("://",), ("@",)),
        # A port, a question after it, a variable or a placeholder is no password.
        r"\b[a-z][a-z0-9+.-]{1,20}://(?:[^\s/:@]{0,100}:(?![0-9]{1,5}[?#,;&)]|[<{*]|\$[({]|\$(?:[A-Z0-9_]+|[a-z_]+)@)"
        r"[^\s/]{3,100}@|[A-Za-z0-9_-]{12,100}:@)",
    ),
    (
        "command_password",
        (("curl ", "sshpass ", "docker login", "mysql", "redis-cli "),),
        r"(?:\bcurl\s[^\n]{0,200}?(?<=\s)(?:-u|--user)[ =][\"']?[^\s:\"'$]{1,64}:|\bsshpass\s-p\s?[\"']?"
        r"|\bdocker\slogin\s[^\n]{0,120}?(?<=\s)-p\s|\bmysql(?:dump|admin)?\s[^\n]{0,120}?(?<=\s)-p|\bredis-cli\s[^\n]{0,120}?(?<=\s)-a\s)"
        r"((?![$<{])(?=[^\s\"']{0,100}[0-9])[^\s\"']{6,100})",
    ),
)
# Forms whose beginning many words have, with a wider expression in Rust's syntax.
_RARE_FORMS = (
    ("twilio_key", "sk", r"\bSK[0-9a-f]{32}\b", "sk[0-9a-f]{32}"),
    ("mailchimp_key", "-us", r"\b[0-9a-f]{32}-us[0-9]{1,2}\b", "-us[0-9]"),
    ("airtable_token", "pat", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}\b", r"pat[a-z0-9]{14}\.[0-9a-f]{64}"),
    (
        "discord_token",
        ".",
        r"\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}",
        r"\.[a-z0-9_-]{6}\.[a-z0-9_-]{27}",
    ),
)


def _list_services() -> Iterator[tuple[str, str]]:
    """Yield the expressions of tokens that their beginning shows, for Python, and for Rust and small letters."""
    for form, least in sorted({(form, least) for _, form, least in _BEGUN}):
        words = [word for word, *own in _BEGUN if own == [form, least]]
        # A word of code has no digit.
        exact = rf"(?:{join_words(words)})(?=[A-Za-z_.-]{{0,100}}[0-9]){form}{{{least},400}}={{0,2}}"
        yield exact, rf"(?:{join_words(word.lower() for word in words)}){form.lower()}{{{least}}}"


def _join_services() -> Pattern:
    exact, wide = zip(*_list_services(), strict=True)
    hints = tuple(word.lower() for word, *_ in _BEGUN)
    return Pattern("service_token", (hints,), re.compile(rf"\b(?:{'|'.join(exact)})", re.ASCII), "|".join(wide))


TOKENS = (
    *(Pattern(kind, hints, re.compile(form, re.ASCII)) for kind, hints, form in _FORMS),
    *(Pattern(kind, ((hint,),), re.compile(form, re.ASCII), wide) for kind, hint, form, wide in _RARE_FORMS),
    _join_services(),
)
"""Patterns of all forms."""
