"""Tokens: forms of many services, made up here from parts so that other secret scanners do not report this file."""

import polars as pl
import pytest
from nightloom.scanners.base import drop_overlapping, redact
from nightloom.scanners.secrets import find_secrets, may_hold_secrets

HEX, MIXED = "0a1b2c3d" * 10, "aB3dE5gH" * 12

TOKENS = {
    "service_token": (
        *("gl" + "ptt-" + HEX[:40], "gl" + "rt-" + MIXED[:20], "dap" + "i" + HEX[:32], "shp" + "at_" + HEX[:32]),
        *("whsec" + "_" + MIXED[:32], "GOC" + "SPX-" + MIXED[:28], "ya" + "29." + MIXED[:80]),
        *("do" + "p_v1_" + HEX[:64], "dp." + "pt." + MIXED[:43]),
        *("lin_" + "api_" + MIXED[:40], "ATA" + "TT3xFf" + MIXED[:90], "dckr" + "_pat_" + MIXED[:27]),
        *("hv" + "s." + MIXED[:90], "NR" + "AK-" + MIXED[:27].upper(), "glsa" + "_" + MIXED[:32] + "_" + HEX[:8]),
        *("gs" + "k_" + MIXED[:52], "r8" + "_" + MIXED[:37], "sb" + "p_" + HEX[:40], "ruby" + "gems_" + HEX[:48]),
        *("tskey" + "-auth-" + MIXED[:48], "ls" + "v2_pt_" + HEX[:32] + "_" + HEX[:10], "xap" + "p-1-A1B2-" + HEX[:64]),
    ),
    "slack_token": ("xox" + "e.xoxp-1-" + MIXED[:60],),
    "twilio_key": ("S" + "K" + HEX[:32],),
    "mailchimp_key": (HEX[:32] + "-us" + "12",),
    "airtable_token": ("pa" + "t" + MIXED[:14] + "." + HEX[:64],),
    "discord_token": ("M" + MIXED[:24] + "." + MIXED[:6] + "." + MIXED[:27],),
    "webhook": ("discord.com/api/" + "webhooks/" + "1" * 18 + "/" + MIXED[:68],),
    "jwt": (
        "ey" + "J" + MIXED[:16] + ".." + ".".join([MIXED[:16]] * 3),
        "ey" + "J" + MIXED[:12] + ".ey" + "J" + MIXED[:12] + ".",
    ),
    "age_key": ("AGE-" + "SECRET-KEY-1" + HEX[:58].upper(),),
    "private_key": ("PuTTY-" + "User-Key-File-3: x\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 0a1b",),
}  # fmt: skip


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("said", ["my key is {} please", "用{}不行", "токен{}не работает", "X={}"])
def test_exactly_the_token_is_taken(kind: str, said: str) -> None:
    for token in TOKENS[kind]:
        text = said.format(token)
        assert redact(text, drop_overlapping(find_secrets(text))) == said.format(f"<{kind}>")
        assert may_hold_secrets(pl.Series([text])).all()


def test_key_without_digits_is_found() -> None:
    text = "sk-proj-" + "pjUbrkQliowXsanYZIet" * 2
    assert [one.kind for one in find_secrets(text)] == ["openai_key"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("redis://:{}@cache:6379/0", "url_password", id="no user"),
        pytest.param("postgres://app:p@ss:{}@db/x", "url_password", id="at sign inside"),
        pytest.param("amqp://anna.k:${}Q@10.0.0.5/x", "url_password", id="dollar sign first"),
        pytest.param("https://{}00000:@api.example.com", "url_password", id="token as the user"),
        pytest.param("Authorization: Basic {}0000", "authorization", id="basic"),
        pytest.param("Cookie: theme=dark; sessionid={}00000000", "session", id="cookie"),
        pytest.param("curl -u bob:{} https://example.com", "command_password", id="curl"),
        pytest.param("sshpass -p '{}' ssh example.com", "command_password", id="sshpass"),
        pytest.param("mysql -u root -p{} shop", "command_password", id="mysql"),
        pytest.param("https://example.com/c?sv=1&sig={}000000000000", "signed_address", id="signed address"),
    ],
)
def test_secret_is_found_in_its_place(text: str, kind: str) -> None:
    written = text.format("hunter22")
    assert kind in {one.kind for one in find_secrets(written)}
    assert may_hold_secrets(pl.Series([written])).all()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("http://localhost:8080?user=ann@example.com", id="port"),
        pytest.param("postgres://app:$PASSWORD@db/x", id="placeholder"),
        pytest.param("postgres://app:$(cat /run/pw)@db, ${PW}@db or $pw@db", id="other placeholders"),
        pytest.param("Authorization: Basic auth is needed", id="words"),
        pytest.param("curl -u bob:$TOKEN https://example.com", id="variable"),
        pytest.param("secret_santa_list and cio_report_of_the_whole_department", id="names in code"),
        pytest.param("sk-estimator-html-doc-link-fitted", id="class of a page"),
        pytest.param("xoxo-hugs-and-kisses-2026", id="greeting"),
        pytest.param("key-value stores, sl.example.com", id="words with such beginnings"),
        pytest.param("mysql -u root -p shop2026", id="name of a database"),
    ],
)
def test_words_like_tokens_are_ignored(text: str) -> None:
    assert find_secrets(text) == []
