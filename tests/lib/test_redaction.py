"""Sixty kinds of planted secrets are gone; ordinary lines stay as they are; nothing makes it raise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.redaction import LONGEST_TEXT, MASK, Redactor, is_secret_key, mask_address

OWN = "postgresql://lux:d4taB%40se-pw@db.internal/lux"
REDACTOR = Redactor.knowing([OWN, "own-session-secret-0123", "smtp://box:m4il%2Fpw@mail.example:587", None, "abc"])
HEX32 = "0123456789abcdef" * 2
BASE = "Zx9" + "aB3dE6gH" * 5

# (text, what must not be left of it)
PLANTED: list[tuple[str, str]] = [
    ("Authorization: Bearer s3cr3tTokenValue", "s3cr3tTokenValue"),
    ("authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
    ("{'Authorization': 'Bearer s3cr3tTokenValue', 'Host': 'x'}", "s3cr3tTokenValue"),
    ('{"authorization": "Token s3cr3tTokenValue"}', "s3cr3tTokenValue"),
    ('Authorization: Digest username="ann", response="6629fae49393a05397450978507c4ef1"', "6629fae4"),
    ("Proxy-Authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
    ("got bearer s3cr3tTokenValue9 from the client", "s3cr3tTokenValue9"),
    ("/feed?auth=Bearer%20s3cr3tTokenValue9", "s3cr3tTokenValue9"),
    ("Cookie: lux=eJwSomething.Zx.yy; theme=dark", "eJwSomething"),
    ("Set-Cookie: __Host-lux=abcdefsecret; Path=/; Secure", "abcdefsecret"),
    ("X-Api-Key: 1234abcd5678", "1234abcd5678"),
    ("x-auth-token=1234abcd5678", "1234abcd5678"),
    ("X-CSRFToken: 1234abcd5678", "1234abcd5678"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIiOiIxIn0"),
    (f"openai said no to sk-proj-{BASE}", BASE),
    (f"key sk-{BASE}", BASE),
    (f"sk-ant-api03-{BASE}", BASE),
    ("Incorrect API key provided: sk-proj-****21sA.", "21sA"),
    ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyj"),
    ("rk_test_4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyj"),
    ("whsec_4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyj"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F"),
    ("github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvw", "11ABCDEFG0"),
    ("glpat-abcDEF123456ghiJKL78", "abcDEF123456"),
    ("xoxb-123456789012-abcdefABCDEF", "abcdefABCDEF"),
    ("AKIAIOSFODNN7EXAMPLE is the id", "IOSFODNN7"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
    ("AIzaSyA1234567890abcdefghijklmnopqrstu", "SyA1234567890"),
    ("ya29.a0AfH6SMBx1234567890", "a0AfH6SMBx"),
    ("SG.abcdefghijkl123.mnopqrstuvwx456", "abcdefghijkl123"),
    (f"mailgun key-{HEX32}", HEX32),
    (f"twilio AC{HEX32}", HEX32),
    (f"npm_{BASE}", BASE),
    (f"hf_{BASE}", BASE),
    (f"pypi-{BASE}", BASE),
    (f"dop_v1_{HEX32}", HEX32),
    (f"shpat_{HEX32}", HEX32),
    ("bot 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9", "AAHdqTcvCH1v"),
    ("https://hooks.slack.com/services/T000/B000/XXXXsecret", "XXXXsecret"),
    ("https://hooks.zapier.com/hooks/catch/123/abcsecret/", "abcsecret"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEcutoff", "MIIEcutoff"),
    ("postgresql://ann:hunter2@db:5432/x", "hunter2"),
    ("redis://:hunter2@cache:6379/0", "hunter2"),
    ("https://ann:p%40ss@example.com/feed", "p%40ss"),
    ("password=hunter2", "hunter2"),
    ("name=ann&password=hunter2&next=/", "hunter2"),
    ("user%5Bpassword%5D=hunter2", "hunter2"),
    ("user[password]=hunter2", "hunter2"),
    ('{"password": "hun\\"ter2", "a": 1}', "ter2"),
    ('{\\"password\\": \\"hunter2\\"}', "hunter2"),
    ("{'new_password': 'hunter2'}", "hunter2"),
    ("password = 12345678", "12345678"),
    ("PGPASSWORD=hunter2 psql", "hunter2"),
    ("OPENAI_API_KEY=s0meKeyValue", "s0meKeyValue"),
    ("SESSION_SECRET: averylongsecretvalue", "averylongsecretvalue"),
    ("/reset?token=abcDEF123&next=/", "abcDEF123"),
    ("client_secret=abcdef&grant_type=x", "=abcdef&"),
    ("refresh_token='abcdef'", "abcdef'"),
    ("('password', 'hunter2')", "hunter2"),
    ("mysql --password hunter2 --host x", "hunter2"),
    ("ALTER ROLE lux PASSWORD 'hunter2'", "hunter2"),
    ("CREATE USER a IDENTIFIED BY 'hunter2'", "hunter2"),
    ("<password>hunter2</password>", "hunter2"),
    ('Content-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n--x', "hunter2"),
    ("anything own-session-secret-0123 anywhere", "own-session-secret-0123"),
    ("could not sign in with d4taB@se-pw", "d4taB@se-pw"),
    ("could not sign in with d4taB%40se-pw", "d4taB%40se-pw"),
    ("the mail server refused m4il/pw", "m4il/pw"),
    ("Ann <ann.miller@example.com> wrote", "ann.miller"),
    ("/unsubscribe?e=ann.miller%40example.com", "ann.miller"),
    ("call (202) 555-0143 now", "555-0143"),
    ("call (202) 555-0143 now", "(202"),
    ("call 202-555-0143", "0143"),
    ("call +1 202 555 0143", "0143"),
    ("call +4930123456789", "30123456789"),
]

ORDINARY = [
    "[2026-11-23 04:30:33 +0000] [4384] [INFO] Booting worker with pid: 4386",
    "2026/11/23 05:00:01 [error] 12#12: *5 connect() failed (111: Connection refused) while connecting to upstream, "
    "client: 10.0.0.7, "
    'server: _, request: "GET /contacts?page=2 HTTP/1.1", upstream: "http://127.0.0.1:5000/contacts?page=2", '
    'host: "lux.example"',
    "2026-11-23T05:00:01.123Z INFO [12] [abcdef0123456789] lux.worker: The worker is ready.",
    '  File "/var/www/lux/accounts/passwords.py", line 99, in check_password',
    "KeyError: 'password'",
    "max_tokens=4096 prompt tokens: 12 token_count=5",
    "password_reset mail sent; the passwords page was shown",
    "sort_key=created_at primary key: id monkey=banana keyboard=de",
    "lux_webhook_events lux-worker.service sk-learn-pipeline task-12345678-abcdef key-value-store-index",
    'FATAL:  password authentication failed for user "lux"',
    "Basic authentication failed; basic settings were kept",
    "The secretary signed the session notes",
    "duplicate key value violates unique constraint",
    "0194f5a0-7c1e-7d3b-9f11-2b6a3a5e8c9d took 1234 ms at 127.0.0.1:5432",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "2026-11-23 1234 rows, 10.1.2.3 192.168.100.1000 5551234567",
    "Failed to parse token at line 5: unexpected token",
    "is_secret=True token=None cookie",
    "pid 123 456 7890123 of 99",
]


@pytest.mark.parametrize(("text", "secret"), PLANTED, ids=[text[:40].replace("\n", " ") for text, _ in PLANTED])
def test_a_planted_secret_is_gone(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in REDACTOR.text(text)


def test_there_are_sixty_kinds_and_more() -> None:
    assert len(PLANTED) >= 60


@pytest.mark.parametrize("line", ORDINARY)
def test_an_ordinary_line_stays_as_it_is(line: str) -> None:
    assert REDACTOR.text(line) == line


def test_a_header_is_masked_once_and_keeps_its_scheme() -> None:
    assert REDACTOR.text("Authorization: Bearer x") == f"Authorization: Bearer {MASK}"
    assert (
        REDACTOR.text("{'Authorization': 'Bearer x', 'Host': 'h'}")
        == f"{{'Authorization': 'Bearer {MASK}', 'Host': 'h'}}"
    )


def test_addresses_and_phones_stay_recognisable_as_such() -> None:
    assert REDACTOR.text("ann@example.com (202) 555-0143") == "a***@example.com [phone]"
    assert mask_address("ann@example.com") == "a***@example.com"


def test_masking_twice_changes_nothing_more() -> None:
    for text, _ in PLANTED:
        once = REDACTOR.text(text)
        assert REDACTOR.text(once) == once


def test_every_planted_secret_is_gone_from_nested_values_too() -> None:
    planted = {"items": [{"note": text} for text, _ in PLANTED[:40]], "bytes": b"password=hunter2"}
    shown = json.dumps(Redactor.knowing([OWN]).value(planted))
    assert not [secret for text, secret in PLANTED[:40] if secret in shown]
    assert "hunter2" not in shown


def test_what_stands_under_a_secret_key_is_masked_whole() -> None:
    value = {
        "Password": "a",
        "api-key": ["x", "y"],
        "apiKey": 1,
        "session_id": {"a": "b"},
        "max_tokens": 9,
        "token": None,
    }
    assert REDACTOR.value(value) == {
        "Password": MASK,
        "api-key": MASK,
        "apiKey": MASK,
        "session_id": MASK,
        "max_tokens": 9,
        "token": None,
    }


def test_ordinary_names_are_no_secret_keys() -> None:
    assert not [
        name for name in ("name", "author", "passed", "compass", "monkey", "keyboard", "keyword") if is_secret_key(name)
    ]


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Hostile(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no")


def test_broken_objects_become_a_sentence() -> None:
    assert "whose repr raised RuntimeError" in REDACTOR.value(Broken())
    assert "raised RuntimeError" in REDACTOR.value(Hostile(a=1))


def test_a_value_that_contains_itself_ends() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "…" in json.dumps(REDACTOR.value(loop), ensure_ascii=False)


def test_a_secret_across_the_longest_length_is_not_cut_in_half() -> None:
    text = "x" * (LONGEST_TEXT - 10) + " own-session-secret-0123"
    assert "own-ses" not in REDACTOR.text(text)
    assert len(REDACTOR.text("y" * 100_000)) == LONGEST_TEXT


PIECES = st.sampled_from(
    [text for text, _ in PLANTED] + ['"', "'", "\\", "=", ":", "\x00", "\ud800", "password", "@", "+", "eyJ"]
)


@given(st.lists(st.one_of(st.text(max_size=40), PIECES), max_size=8).map("".join))
def test_text_never_raises(text: str) -> None:
    REDACTOR.text(text)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers()),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.one_of(st.text(), st.integers()), inner), st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_value_never_raises_and_gives_json(value: Any) -> None:
    json.dumps(REDACTOR.value(value), allow_nan=False)
