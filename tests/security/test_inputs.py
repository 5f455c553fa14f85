"""What strangers post and people type, made up: no answer of 500 and no second of work, whatever it is.

Bodies of the webhook, files, rules of segments, merge tags, and every form of every page, found by itself. `make fuzz`
makes more of them.
"""

from __future__ import annotations

import io
import json
import urllib.parse
from typing import Any

from hypothesis import strategies as st

from audience.rule_fields import FIELDS, OPERATORS
from tests.campaigns.test_rendering import PAYLOADS as TAGS
from tests.security.forms import Form, list_forms
from tests.security.house import House
from tests.security.inputs import Inputs
from tests.security.test_sql import PAYLOADS as STATEMENTS

ZAPIER = "/api/webhook/zapier-contact"
TYPES = (
    "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "",
    "x/y", "text/csv", "application/xml", "application/json; charset=utf-16",
    "multipart/form-data", "text/plain; charset=\x7f",
)  # fmt: skip
KEYS = ("email", "Email", "data__email", "name", "phone", "tags[0]", "payload", "contacts", "consent", "field_data")
WORDS = st.one_of(
    st.text(max_size=40),
    st.sampled_from([*STATEMENTS, *TAGS, "", "0", "-1", "1" * 400, "a" * 5_000, "\u202e", "\ud83d", "a\r\nb: c", "\0"]),
    st.sampled_from(
        ["2026-11-23", "9999-12-31T23:59", "0001-01-01", "24:60", "ada@lumen.example", "https://a.example"]
    ),
    st.integers().map(str),
)
LEAVES = st.one_of(WORDS, st.integers(), st.floats(), st.none(), st.booleans(), st.emails())
THINGS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=12), inner, max_size=5)
    ),
    max_leaves=12,
)
RULES = st.recursive(
    st.fixed_dictionaries(
        {
            "field": st.sampled_from(sorted(FIELDS)) | WORDS,
            "operator": st.sampled_from(sorted({name for some in OPERATORS.values() for name in some})) | WORDS,
            "value": THINGS,
        }
    ),
    lambda inner: st.fixed_dictionaries({"match": st.sampled_from(["all", "any"]) | WORDS, "rules": st.lists(inner)}),
    max_leaves=8,
)
CELLS = st.one_of(WORDS, st.emails(), st.sampled_from(["=1+1", '"', '""', ";", "\t", "é", "\ufeff"]))
TAGGED = st.lists(
    st.sampled_from(["{{", "}}", "{", "}", "|", " ", "name", "first_name", "attributes.", "a", "\\", "%", "\n", *TAGS]),
    max_size=12,
).map("".join)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, str]:
    """A body and the type that it claims to be of, which need not fit."""
    thing = draw(THINGS)
    ways = [json.dumps(thing).encode(), draw(st.binary(max_size=200))]
    if isinstance(thing, dict):
        ways.append(urllib.parse.urlencode({k: str(v) for k, v in thing.items()}, errors="replace").encode())
        part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        ways.append(encoded("".join(part.format(k, v) for k, v in thing.items()) + "--x--\r\n"))
    body = draw(st.sampled_from(ways))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(body)))
        body = body[:place] + draw(st.binary(max_size=6)) + body[place + draw(st.integers(0, 3)) :]
    return body, draw(st.sampled_from(TYPES))


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file that may be a table."""
    comma = draw(st.sampled_from([",", ";", "\t", "|"]))
    rows = draw(st.lists(st.lists(CELLS, max_size=5), max_size=8))
    text = "\n".join(["email" + comma + "name", *(comma.join(row) for row in rows)])
    code = draw(st.sampled_from(["utf-8", "utf-16", "cp1252", "utf-8-sig"]))
    return draw(st.binary(max_size=30)) * draw(st.integers(0, 1)) + text.encode(code, "replace")


def test_no_body_of_the_webhook_is_a_fault(house: House, inputs: Inputs) -> None:
    def send(made: tuple[bytes, str]) -> None:
        answer = inputs.ask("zapier", "POST", ZAPIER, data=made[0], content_type=made[1])
        assert answer.status_code in (200, 201, 400, 413, 415, 422), answer.text
        assert answer.json is not None and answer.json["receipt"]
        if answer.status_code >= 400:
            assert len(answer.json["message"]) <= 250

    inputs.try_all(bodies(), send, share=6)
    waiting = house.contents.connection.execute("SELECT count(*) FROM intake_bodies WHERE state = 'new'").fetchone()
    assert waiting == (0,)


def test_no_file_is_a_fault(house: House, inputs: Inputs) -> None:
    def send(file: bytes) -> None:
        answer = inputs.ask("marketer", "POST", "/contacts/imports/", data={"file": (io.BytesIO(file), "a.csv")})
        if answer.status_code == 422:
            return
        place = answer.headers["Location"]
        assert inputs.ask("marketer", "GET", place).status_code == 200
        columns = {f"column-{number}": "attribute" for number in range(1, 6)} | {"column-0": "email"}
        inputs.ask("marketer", "POST", f"{place}/check", data={**columns, "duplicates": "update"})
        inputs.ask("marketer", "POST", f"{place}/start")
        assert inputs.ask("marketer", "GET", place).status_code == 200
        inputs.ask("marketer", "POST", f"{place}/undo")

    inputs.try_all(files(), send, share=0.5)


def test_no_rule_of_a_segment_is_a_fault(house: House, inputs: Inputs) -> None:
    def send(rules: dict[str, Any]) -> None:
        whole = rules if "rules" in rules else {"match": "all", "rules": [rules]}
        text = json.dumps(whole)
        inputs.ask("marketer", "GET", "/segments/new", query_string={"rules": text})
        typed = {encoded(name): encoded(value) for name, value in flat(whole).items()}
        inputs.ask("marketer", "POST", "/segments/preview", data={"name": "Made up", "rules": text, **typed})

    inputs.try_all(RULES, send)


def flat(rules: Any, before: str = "") -> dict[str, str]:
    """Rules as the form has them: rules.0.field and so on."""
    if isinstance(rules, dict):
        pairs = rules.items()
    elif isinstance(rules, list):
        pairs = enumerate(rules)  # type: ignore[assignment]  # numbers name places as words name fields
    else:
        return {before.removesuffix("."): str(rules)}
    return {key: value for name, inner in pairs for key, value in flat(inner, f"{before}{name}.").items()}


def test_no_merge_tag_is_a_fault(house: House, inputs: Inputs) -> None:
    place = f"/campaigns/{house.scene.of_area['campaign_wizard']['campaign_id']}"
    found = next(form for form in list_forms(house, [f"{place}/content"]) if "subject" in form.fields)

    def send(texts: list[str]) -> None:
        words = {name: texts[number % len(texts)] for number, name in enumerate(sorted(found.texts))}
        inputs.ask("marketer", "POST", found.action, data={**found.fields, **words})
        for look in ("preview", "preview/text", "review"):
            inputs.ask("marketer", "GET", f"{place}/{look}")

    inputs.try_all(st.lists(TAGGED, min_size=1, max_size=4), send)


def test_the_forms_are_found(forms: list[Form]) -> None:
    assert len(forms) > 50


def test_no_form_of_any_page_is_a_fault(house: House, forms: list[Form], inputs: Inputs) -> None:
    @st.composite
    def filled(draw: st.DrawFn) -> tuple[Form, dict[str, str]]:
        form = draw(st.sampled_from(forms))
        changed = draw(st.lists(st.sampled_from(sorted(form.texts)), min_size=1, unique=True))
        return form, {**form.fields, **{name: draw(WORDS) for name in changed}}

    def send(made: tuple[Form, dict[str, str]]) -> None:
        form, values = made
        inputs.ask("owner", "POST", form.action, data={name: encoded(value) for name, value in values.items()})
        house.contents.restore(house.contents.changed())

    inputs.try_all(filled(), send, share=12)
