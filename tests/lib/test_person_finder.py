"""Every kind of body that real senders post becomes the right person."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.clean_text import key_letters
from lib.payloads import PayloadUnreadable, TypeUnsupported, read_payload
from lib.person_finder import Person, find_person

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
FOLDER = Path(__file__).parents[1] / "fixtures"
FIXTURES = json.loads((FOLDER / "webhook_payloads.json").read_text())
SENDERS = json.loads((FOLDER / "webhook_senders.json").read_text())


def person_of(body: Any, content_type: str = JSON, **options: Any) -> Person:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return find_person(read_payload(raw, content_type).items[0], **options)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: f"{fixture['id']}-{fixture['origin']}")
def test_each_recorded_body_becomes_what_it_must(fixture: dict[str, Any]) -> None:
    body = base64.b64decode(fixture["body_base64"])
    if fixture["expect_status"] == 400:
        with pytest.raises(PayloadUnreadable) as caught:
            read_payload(body, fixture["content_type"])
        assert [caught.value.reason] == fixture["expect_warnings"]
        return
    person = find_person(read_payload(body, fixture["content_type"]).items[0], fixture["default_region"])
    assert person.warnings == fixture["expect_warnings"]
    if fixture["expect_contact"] is None:
        assert person.email is None
        return
    expected = {key: value for key, value in fixture["expect_contact"].items() if key != "segments"}
    assert {key: getattr(person, key) for key in expected} == expected


@pytest.mark.parametrize("case", SENDERS, ids=lambda case: str(case["sender"]))
def test_it_finds_the_person_in_what_senders_post(case: dict[str, Any]) -> None:
    person, expected = person_of(case["body"]), case["person"]
    assert {key: getattr(person, key) for key in expected} == expected


def test_unknown_keys_become_attributes_and_secrets_do_not() -> None:
    person = person_of(
        {
            "email": "ann@example.com",
            "company": "Acme",
            "password": "x",
            "address": {"city": "Bonn", "zip": None},
            "score": 7,
            "vip": True,
            "blank": "",
            "owner": {"name": "Boss"},
        }
    )
    assert person.attributes == {"company": "Acme", "address.city": "Bonn", "score": 7, "vip": True}


def test_the_owners_mapping_goes_before_every_guess() -> None:
    mapping = {key_letters("E-Adr."): "email", "wer": "name", "email": "ignore"}
    person = person_of({"email": "wrong@example.com", "E-Adr.": "ann@example.com", "wer": "Ann Lee"}, mapping=mapping)
    assert (person.email, person.name, person.other_emails) == ("ann@example.com", "Ann Lee", [])


def test_it_reads_multipart_with_cp1252_inside() -> None:
    body = (
        b'--xx\r\nContent-Disposition: form-data; name="your-email"\r\n\r\nzoe@example.com\r\n'
        b'--xx\r\nContent-Disposition: form-data; name="your-name"\r\n\r\nZo\xeb\r\n'
        b'--xx\r\nContent-Disposition: form-data; name="cv"; filename="cv.pdf"\r\n\r\n%PDF\r\n--xx--\r\n'
    )
    person = person_of(body, "multipart/form-data; boundary=xx")
    assert (person.email, person.name) == ("zoe@example.com", "Zoë")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"email":"ann@example.com","name":"A & B = C"}', FORM),
        (b"%7B%22email%22%3A%22ann%40example.com%22%7D", FORM),
        (b"email=ann%40example.com", ""),
        (b"email=ann%40example.com&name=Zo%EB", "text/plain"),
        (b"contact[email]=ann%40example.com&contact[tags][]=a&contact[tags][]=b", FORM),
        (b"payload=%7B%22email%22%3A%22ann%40example.com%22%7D", FORM),
        (b'{"email":"ann@example.com"}', "multipart/form-data"),
        ('{"email":"ann@example.com"}'.encode("utf-16"), JSON),
        ('{"email":"ann@example.com"}'.encode("utf-16-le"), JSON),
        (b'{"email":"ann@example.com","note":"two\nlines\x00"}', JSON),
        (b'{"email":"ann@example.com","score":NaN,"big":1e999}', JSON),
        (b'[{"name":"email","value":"ann@example.com"}]', JSON),
        (b'{"email":null,"email":"ann@example.com"}', JSON),
        (b'{"email":"ann@example.com"}', "application/vnd.api+json; charset=nonsense"),
    ],
)
def test_it_reads_fields_under_any_type(body: bytes, content_type: str) -> None:
    assert person_of(body, content_type).email == "ann@example.com"


@pytest.mark.parametrize("content_type", ["image/png", "application/pdf", "text/xml", "application/xml", "video/mp4"])
def test_it_refuses_types_without_fields(content_type: str) -> None:
    with pytest.raises(TypeUnsupported):
        read_payload(b"{}", content_type)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "unparseable"),
        (b"null", "unparseable"),
        (b"5", "unparseable"),
        (b'"text"', "unparseable"),
        (b"<a href='x=1'>", "unparseable"),
        (b"[" * 100_000, "unparseable"),
        (b'{"a":' * 13 + b"1" + b"}" * 13, "unparseable"),
        (b'{"n":' + b"9" * 5000 + b"}", "unparseable"),
        (json.dumps({str(n): n for n in range(501)}).encode(), "too_many_keys"),
        (json.dumps([{"email": "a@example.com"}] * 101).encode(), "too_many_items"),
        (b"a" * (256 * 1024 + 1), "too_large"),
    ],
)
def test_it_names_why_a_body_cannot_be_read(body: bytes, reason: str) -> None:
    with pytest.raises(PayloadUnreadable) as caught:
        read_payload(body, JSON)
    assert caught.value.reason == reason


def test_a_long_text_is_cut_and_said_to_be() -> None:
    payload = read_payload(json.dumps({"email": "ann@example.com", "message": "x" * 5000}).encode(), JSON)
    assert payload.warnings == ["text_cut"]
    assert len(payload.items[0]["message"]) == 1000


def test_a_full_batch_of_a_hundred_people_is_read() -> None:
    people = [{"email": f"p{n}@example.com", **{f"k{m}": m for m in range(20)}} for n in range(100)]
    assert len(read_payload(json.dumps(people).encode(), JSON).items) == 100


def test_people_in_an_envelope_are_items_that_keep_what_stands_beside() -> None:
    body = {"source": "Newsletter", "contacts": [{"email": "a@example.com"}, {"email": "b@example.com"}]}
    payload = read_payload(json.dumps(body).encode(), JSON)
    people = [find_person(item) for item in payload.items]
    assert payload.is_batch
    assert [(person.email, person.source) for person in people] == [
        ("a@example.com", "Newsletter"),
        ("b@example.com", "Newsletter"),
    ]


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(["ann@example.com", '{"email":"x@example.com"}', "{{x}}", "a@b", "00 1", "\ud800", "\x00", "[1]"])
)
keys = st.text(max_size=12) | st.sampled_from(
    [
        "email",
        "name",
        "phone",
        "data__email",
        "a.b",
        "a[0]",
        "a[]",
        "a",
        "a__b",
        "fields",
        "value",
        "type",
        "field",
        "definition",
        "owner",
        "source",
        "form",
        "title",
        "id",
        "first",
        "last",
        "label",
        "text",
        "formId",
        "data",
        "payload",
    ]
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=6), max_leaves=40
)


@settings(max_examples=400, deadline=None)
@given(tree=trees)
def test_no_tree_makes_it_fail_in_an_unexpected_way(tree: Any) -> None:
    try:
        payload = read_payload(json.dumps(tree).encode(), JSON)
    except PayloadUnreadable:
        return
    for item in payload.items:
        person = find_person(item)
        stored = json.dumps(person.attributes, allow_nan=False)
        assert "\\u0000" not in stored
        stored.encode().decode()
        assert person.email is None or person.email == person.email.strip().lower()


@settings(max_examples=400, deadline=None)
@given(
    body=st.binary(max_size=300),
    content_type=st.sampled_from(
        [JSON, FORM, "text/plain", "multipart/form-data; boundary=x", "", "application/json; charset=utf-16"]
    ),
)
def test_no_bytes_make_it_fail_in_an_unexpected_way(body: bytes, content_type: str) -> None:
    try:
        payload = read_payload(body, content_type)
    except PayloadUnreadable:
        return
    for item in payload.items:
        find_person(item)
