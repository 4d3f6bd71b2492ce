"""Secrets: known forms, and harmless words about secrets."""

import polars as pl
import pytest
from nightloom.scanners.base import drop_overlapping, redact
from nightloom.scanners.secrets import find_secrets, may_hold_secrets

# Put together here, so that other secret scanners do not report this file.
SECRETS = {
    "aws_access_key": "AKIA" + "IOSFODNN7EXAMPLE",
    "github_token": "ghp_" + "a1B2" * 9,
    "gitlab_token": "glpat-" + "x1Y2" * 5,
    "slack_token": "xoxb-" + "123456789012-abcdef",
    "stripe_key": "sk_live_" + "a1B2" * 5,
    "google_api_key": "AIza" + "a1B2c" * 7,
    "openai_key": "sk-proj-" + "a1B2" * 6,
    "hugging_face_token": "hf_" + "aBcD" * 8,
    "private_key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "jwt": "eyJhbGciOiJI." + "eyJzdWIiOiIx.c2lnbmF0dXJl",
    "bearer_token": "Authorization: Bearer " + "a1B2c3D4" * 3,
    "url_password": "postgresql://app:" + "s3cret@db.example.com/app",
    "assigned_secret": "the password is " + "Tr0ub4dor&3",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_secret_is_found_in_sentence(kind: str) -> None:
    text = f"It stopped working. {SECRETS[kind]} is what I use."
    assert [span.kind for span in find_secrets(text)] == [kind]


@pytest.mark.parametrize("text", ["my password is " + "qkmzlCQbSw", "PWD=" + "ivaihfota", "api_key: '" + "a1b2c3d4'"])
def test_assigned_secret_needs_no_form(text: str) -> None:
    assert [span.kind for span in find_secrets(text)] == ["assigned_secret"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("my password is incorrect since yesterday", id="about a password"),
        pytest.param("Password: Forgotten. Please reset it.", id="forgotten"),
        pytest.param("where do I find the API key?", id="question"),
        pytest.param("see https://example.com/a:b/c@d", id="address"),
        pytest.param("the secret is good service", id="figure of speech"),
        pytest.param("order SK-2026-AKIA", id="order"),
        pytest.param("login(client_secret=APP_CLIENT_SECRET)", id="constant"),
        pytest.param('api_key=os.getenv("OPENAI_API_KEY")', id="function of a module"),
        pytest.param("connect(password=settings.password)", id="attribute"),
        pytest.param("<password>${DB_PASSWORD}</password>", id="placeholder in XML"),
        pytest.param("密码是6位以上的字母和数字", id="rule for passwords"),
    ],
)
def test_words_about_secrets_are_ignored(text: str) -> None:
    assert find_secrets(text) == []


@pytest.mark.parametrize(
    "said",
    [
        *(
            "my password is {}",
            "Password on file: {}",
            "the password for the router is {}",
            "password={}",
            '"pwd": "{}"',
        ),
        *("we changed your password to {}", "{} as the password", "Das Kennwort lautet {}", "mot de passe\u00a0: {}"),
        *("senha: {}", "hasło to {}", "Lösenordet är {}", "şifrem: {}", "jelszó = {}", "Passwort, jetzt {}"),
        *(
            "пароль: {}",
            "Κωδικός: {}",
            "密码是{}",
            "パスワードは{}です",
            "비밀번호 {}입니다",
            "סיסמה: {}",
            "كلمة السر {}",
        ),
        *("पासवर्ड {} है", "รหัสผ่าน{}ค่ะ", "(mot de passe) : {}"),
    ],
)
@pytest.mark.parametrize("password", ["Plum-4821", "k9!Xv2qLm7"])
def test_exactly_the_password_is_taken(said: str, password: str) -> None:
    said = f"Hi. {said}"
    text = said.format(password)
    assert may_hold_secrets(pl.Series([text]))[0]
    assert redact(text, drop_overlapping(find_secrets(text))) == said.format("<assigned_secret>")


@pytest.mark.parametrize(
    "said",
    ["my password is {}", "user ann / password {}", "pwd: {}", "we reset your password to {}", "--password {}"],
)
def test_password_of_letters_is_marked(said: str) -> None:
    text = said.format("qLmxKvPzwTbn")
    assert may_hold_secrets(pl.Series([text]))[0]
    assert find_secrets(text)


def test_whole_private_key_is_taken() -> None:
    kind = "EC " + "PRIVATE KEY"
    block = f"-----BEGIN {kind}-----\n{'Ab3/' * 16}\n{'x+Y9' * 5}==\n-----END {kind}-----"
    text = f"my key:\n{block}\nThanks"
    assert redact(text, find_secrets(text)) == "my key:\n<private_key>\nThanks"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("my password does not work on Windows-11", id="product"),
        pytest.param("пароль не подходит, версия 2.4.1", id="version"),
        pytest.param("パスワードを忘れました。2026年11月", id="date"),
        pytest.param("password reset, see https://Help.example.com/v-2?x=1", id="page"),
    ],
)
def test_words_behind_a_name_are_ignored(text: str) -> None:
    assert find_secrets(text) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<password>{}</password>", id="XML"),
        pytest.param("- name: DB_PASSWORD\n  value: {}\n", id="Kubernetes"),
        pytest.param('<add key="ApiKey" value="{}" />', id="attribute"),
        pytest.param("your password was changed to {}", id="changed"),
        pytest.param("密码是{}！", id="Chinese"),
        pytest.param("パスワードは{}です", id="Japanese"),
        pytest.param("비밀번호는 {}입니다", id="Korean"),
        pytest.param("รหัสผ่านคือ {}", id="Thai"),
    ],
)
def test_plain_password_is_taken_where_announced(text: str) -> None:
    written = text.format("hunter22")
    found = drop_overlapping(find_secrets(written))
    assert redact(written, found) == text.format("<assigned_secret>")
    assert may_hold_secrets(pl.Series([written])).all()
