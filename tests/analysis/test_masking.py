"""No secret of an address is ever shown."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.masking import MASK, forget, guarded_output, hidden, learn, learn_environment


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget()
    yield
    forget()


HOST = "host.example:5000/db"
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="*"), min_size=8, max_size=30)
odd_secrets = st.builds(
    "".join, st.lists(st.one_of(st.sampled_from(list("@ :/?#&=%'\"\\")), secrets), min_size=2, max_size=5)
).filter(lambda text: len(text.strip()) >= 8)
plain_secrets = st.text("ABCdef019-_.~%+", min_size=8, max_size=30)
addresses = st.sampled_from(
    [
        "https://me:{}@" + HOST,
        "postgresql+psycopg://me:{}@" + HOST,
        "https://{}@" + HOST,
        "s3://{}@bucket/results",
        "ray://{}@" + HOST,
        f"https://{HOST}?sig={{}}",
        f"https://{HOST}?a=b&password={{}}&c=d",
        f"postgresql://me@{HOST}?sslmode=require&password={{}}",
        f"abfs://container@{HOST}?sv=1&SharedAccessSignature={{}}",
        f"https://{HOST}#access_token={{}}",
    ]
)
texts = st.sampled_from(
    ["{}", "MLflow at {} does not answer: refused", "error: --storage '{}': no", 'File "{}", line 3', "a {} b {}"]
)


@given(secrets=plain_secrets, address=addresses, text=texts)
def test_a_secret_of_an_address_in_any_text_is_never_shown(secrets: str, address: str, text: str) -> None:
    assert secrets not in hidden(text.replace("{}", address.format(secrets)))


fields = st.sampled_from(
    [
        *("password: {}", "{'password': {!r}, 'a': 1}", '{"api_key": {json}, "a": 1}', "MYSQL_PASSWORD: {}"),
        *(
            "Authorization: Bearer {}",
            "{'Authorization': 'Bearer {}'}",
            "X-Api-Key:{}",
            "accessToken = {}",
            "a [token: {}]",
        ),
        *("password={!r} a='b'", "password={json}", "--db-password {json!r}"),
    ]
)


@given(secret=st.one_of(plain_secrets, odd_secrets), field=fields, text=texts)
def test_a_secret_beside_its_name_in_any_text_is_never_shown(secret: str, field: str, text: str) -> None:
    forget()
    for sign, written in (("{json!r}", repr(json.dumps({"password": secret}))), ("{json}", json.dumps(secret))):
        field = field.replace(sign, written)
    if "{!r}" in field:
        field = field.replace("{!r}", repr(secret))
    elif "{}" in field:  # without quotes of its own, a blank or a quote ends it
        secret = re.sub(r"[\s'\"<>&;#\\]", "_", secret)
        field = field.replace("{}", secret)
    shown = hidden(text.replace("{}", field))
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert form not in shown


@given(secret=odd_secrets, address=addresses, text=texts)
def test_a_secret_of_an_address_that_was_given_is_never_shown_whatever_signs_it_holds(
    secret: str, address: str, text: str
) -> None:
    forget()
    if "://{}" in address and not address.startswith("http"):  # there a "/" begins the path
        secret = secret.replace("/", "_")
    given_address = address.format(secret)
    if "?" in address or "#" in address:  # a sign that ends a parameter ends the secret
        secret = secret.replace("&", "_").replace("#", "_").replace(";", "_")
        given_address = address.format(secret)
    learn(given_address)
    for form in (secret, quote(secret, ""), quote_plus(secret), repr(secret)[1:-1]):
        assert form not in hidden(text.replace("{}", f"{given_address} and {form}"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://host:5000 and me@host", "http://host:5000 and me@host"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("postgresql+psycopg://me@host/db", "postgresql+psycopg://me@host/db"),
        ("https://TOKEN@host/a", f"https://{MASK}@host/a"),
        ("s3://bucket/a@b/c", "s3://bucket/a@b/c"),
        ("s3://bucket/results?versionId=3&sig=abc%2F", f"s3://bucket/results?versionId=3&sig={MASK}"),
        ("connection failed: host=h password=abc user=me", f"connection failed: host=h password={MASK} user=me"),
        ("digits: use x with miner all, margin 64 (n = 13)", "digits: use x with miner all, margin 64 (n = 13)"),
        ("--margins contrastive=0.5,1,8 seed=3 key 'a'", "--margins contrastive=0.5,1,8 seed=3 key 'a'"),
        ("http://host:5000/x@y and x@z", "http://host:5000/x@y and x@z"),
        ("http://h:5000/http://me:abcd@h", f"http://h:5000/http://me:{MASK}@h"),
        ("http://host:5000/x?token=abcd@y", f"http://host:5000/x?token={MASK}"),
        ("sort key=5 and x_monkey=3, exit code=1", "sort key=5 and x_monkey=3, exit code=1"),
        ("https://h/maps?key=AIza1234", f"https://h/maps?key={MASK}"),
        ("password=1234 api_key=5", f"password={MASK} api_key={MASK}"),
        ("key: a, code: 5, {'key': 'study'}", "key: a, code: 5, {'key': 'study'}"),
        ("ExpiredToken: it is old\nthe token:\nnone", "ExpiredToken: it is old\nthe token:\nnone"),
        ("{'password': 'abcd', 'name': 'x'}", f"{{'password': '{MASK}', 'name': 'x'}}"),
        ("password='ab cd' user='x'", f"password='{MASK}' user='x'"),  # pragma: allowlist secret
        ("error: password='ab cd\nnext", f"error: password='{MASK}\nnext"),
        ("Authorization: Bearer abcd\nHost: h", f"Authorization: {MASK}\nHost: h"),
    ],
)
def test_what_is_no_secret_stays(text: str, shown: str) -> None:
    assert hidden(text) == shown


def test_secrets_of_the_environment_are_known() -> None:
    variables = {"MLFLOW_TRACKING_TOKEN": "tokentoken", "HOME": "/home/me"}
    variables["AWS_SECRET_ACCESS_KEY"] = "abcdefgh1234"  # pragma: allowlist secret
    learn_environment(variables)
    assert hidden("abcdefgh1234 tokentoken /home/me") == f"{MASK} {MASK} /home/me"


def test_a_secret_of_the_environment_may_begin_like_a_path_and_a_path_is_no_secret() -> None:
    paths = {"GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json", "AWS_WEB_IDENTITY_TOKEN_FILE": "/run/token"}
    paths |= {
        "RAY_TLS_SERVER_KEY": "/etc/ray.key",
        "PGPASSFILE": "/home/me/pass",
        "RAY_AUTH_TOKEN_PATH": "/home/me/ray",
    }
    learn_environment({**paths, "AWS_SECRET_ACCESS_KEY": "/abcd+efgh/1234"})  # pragma: allowlist secret
    assert hidden("/abcd+efgh/1234 or %2Fabcd%2Befgh%2F1234") == f"{MASK} or {MASK}"
    assert hidden(" ".join(paths.values())) == " ".join(paths.values())


def test_what_a_command_writes_goes_through_the_mask_and_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with guarded_output(["--storage", "s3://me:pass word@1@host/a", "--tracking-uri=http://tokentoken@h"]):
        print("cannot read s3://me:pass word@1@host/a \x1b[2J\u202e")
        print("tokentoken \udcff", file=sys.stderr)
        sys.stderr.write("\r  [###] 3/4 runs\x1b[K")
    captured = capsys.readouterr()
    assert captured.out == f"cannot read s3://me:{MASK}@host/a \\x1b[2J\\u202e\n"
    assert captured.err == f"{MASK} \\udcff\n\r  [###] 3/4 runs\x1b[K"
    print("\x1b[2J")
    assert capsys.readouterr().out == "\x1b[2J\n"


def test_a_token_before_an_empty_password_is_hidden() -> None:
    forget()
    assert hidden("https://tokentoken:@host/x") == f"https://{MASK}:{MASK}@host/x"
    learn("https://tokentoken:@host/x")
    assert hidden("it was tokentoken") == f"it was {MASK}"
