"""Blocks become mail: values stay in their place, nothing is evaluated, nothing of the server comes out."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from bs4 import BeautifulSoup

from campaigns.ledger import ClaimedMessage
from campaigns.letters import LetterWriter
from campaigns.mail_brand import MailBrand
from campaigns.mail_links import find_url_problem
from campaigns.rendering import CompiledCampaign, render_campaign
from errors import InputInvalid
from lib.merge_tags import HeaderRefused

BRAND = MailBrand(
    "Lumen Tea", "hello@lumen.example", "Lumen Tea", "1 Harbour Street", "#db218d", "https://mail.lumen.example"
)
CANARY = "canary-7f3a-session-secret"
# What template languages of peers would evaluate: Jinja, Django, Mako, Go, Twig, Handlebars, ERB, Liquid, Velocity,
# FreeMarker, Smarty, Thymeleaf, Pug, Razor, format strings, shells and spreadsheets.
PAYLOADS = [
    "{{7*7}}", "{{7*'7'}}", "{{config}}", "{{config.items()}}", "{{self}}", "{{self.__init__.__globals__}}",
    "{{request}}", "{{request.application.__globals__.__builtins__}}", "{{''.__class__.__mro__[1].__subclasses__()}}",
    "{{cycler.__init__.__globals__.os.environ}}", "{{lipsum.__globals__['os'].popen('id').read()}}",
    "{{get_flashed_messages.__globals__}}", "{{url_for.__globals__.current_app.config}}", "{{joiner.__init__}}",
    "{{namespace.__init__.__globals__}}", "{{ settings.SECRET_KEY }}", "{{ SECRET_KEY }}", "{{SESSION_SECRET}}",
    "{% import os %}{{os.environ}}", "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
    "{%print(7*7)%}", "{# comment #}", "{% include '/etc/passwd' %}", "{% extends 'base.html' %}", "{% debug %}",
    "{% load log %}{% get_admin_log 10 as x %}", "{{ messages.storages.0.signer.key }}",
    "${7*7}", "${self.module.cache.util.os.popen('id').read()}", "<% import os %>${os.environ}", "<%= 7*7 %>",
    "<%= system('id') %>", "<%= File.open('/etc/passwd').read %>", "#{7*7}", "#{process.env}", "*{7*7}", "@(7*7)",
    "@{7*7}", "[[${7*7}]]", "[(${7*7})]", "{{.}}", "{{ . | printf \"%s\" }}", "{{env \"SESSION_SECRET\"}}",
    "{{ .Env.SESSION_SECRET }}", "{{ expandenv \"$HOME\" }}", "{{ template \"x\" }}", "{{ html \"<script>\" }}",
    "{{_self.env.registerUndefinedFilterCallback('exec')}}", "{{['id']|filter('system')}}",
    "{{app.request.server.all}}",
    "{{constructor.constructor('return process')()}}", "{{#with \"s\" as |string|}}{{/with}}", "{{this}}",
    "{{lookup . 'x'}}",
    "{$smarty.version}", "{php}echo 1;{/php}", "{system('id')}", "#set($x=7*7)$x",
    "$class.inspect('java.lang.Runtime')",
    "<#assign ex='freemarker.template.utility.Execute'?new()>${ex('id')}", "__${T(java.lang.Runtime)}__::.x",
    "{first_name.__class__}", "{0.__class__.__init__.__globals__}", "%(first_name)s", "%s%s%n", "$(id)", "`id`",
    "=cmd|' /C calc'!A0", "{{first_name.__class__}}", "{{first_name|attr('__class__')}}", "{{ first_name | upper }}",
    "{{first_name()}}", "{{first_name[0]}}", "{{attributes.__class__.__mro__}}", "{{{{first_name}}}}", "{{first_name",
    "first_name}}", "{{ first_name|{{name}} }}", "\ue000{{name}}", "lux000000000000t0z", "{{first_name\n|x}}",
]  # fmt: skip


def compile_with(text: str) -> CompiledCampaign:
    content: dict[str, Any] = {
        "subject": text.replace("\n", " "),
        "preheader": text.replace("\n", " "),
        "blocks": [
            {"kind": "heading", "text": text},
            {"kind": "text", "text": text},
            {"kind": "button", "label": text, "url": "https://a.example/x"},
            {"kind": "image", "url": "https://a.example/x.png", "alt": text},
            {
                "kind": "columns",
                "columns": [{"heading": text, "text": text}, {"label": text, "url": "https://a.example"}],
            },
            {"kind": "footer", "text": text},
        ],
    }
    return render_campaign(content, BRAND)


def write(compiled: CompiledCampaign, name: str | None = "Ann Lee", attributes: dict[str, Any] | None = None) -> bytes:
    writer = LetterWriter(1, compiled, "seed", [CANARY])
    person = ClaimedMessage(5, "ann@example.com", "example.com", 0, 1, name, None, None, attributes)
    return writer.write(person, b"Mon, 23 Nov 2026 06:00:00 +0000")


def read(raw: bytes) -> tuple[str, str, str]:
    message = message_from_bytes(raw, policy=policy.default)
    plain, html = (part.get_content() for part in message.iter_parts())
    return str(message["Subject"]), plain, html


def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 60


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_the_author_writes_is_never_evaluated(payload: str) -> None:
    compiled = compile_with(payload)
    raw = write(compiled)
    for part in read(raw):
        assert CANARY not in part and "root:" not in part and "uid=" not in part and "<class" not in part
        assert "49" not in part.replace(payload, "").replace("#db218d", "") or "49" in payload
    html = read(raw)[2]
    soup = BeautifulSoup(html, "html.parser")
    assert not soup.find_all(["script", "iframe", "object", "form"])
    assert "7*7" not in payload or "7*7" in soup.get_text()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_stands_in_a_contacts_field_is_never_evaluated(payload: str) -> None:
    compiled = compile_with("Dear {{first_name|friend}} of {{attributes.team|us}}: {{name}}")
    values = payload.replace("\n", " ")
    raw = write(compiled, values, {"team": values})
    subject, _, html = read(raw)
    assert values.split()[0] in subject or "friend" in subject
    soup = BeautifulSoup(html, "html.parser")
    assert not soup.find_all(["script", "iframe", "object", "form"])
    assert " ".join(values.split()) in " ".join(soup.get_text().split())
    assert CANARY.encode() not in raw


@pytest.mark.parametrize(
    "value",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='x",
        "</title><script>",
        "&lt;b&gt;",
    ],
)
def test_html_in_a_value_is_shown_and_not_made(value: str) -> None:
    html = read(write(compile_with("{{name}}"), value))[2]
    soup = BeautifulSoup(html, "html.parser")
    assert not soup.find_all("script") and not [tag for tag in soup.find_all(True) if "onerror" in tag.attrs]
    heading = soup.find("h2")
    assert heading is not None and heading.get_text() == value
    picture = soup.find("img", alt=True, src="https://a.example/x.png")
    assert picture is not None and picture["alt"] == value


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href=javascript:alert(1)>x</a>",
        "<style>*{}</style>",
    ],
)
def test_html_by_the_author_is_text(text: str) -> None:
    soup = BeautifulSoup(read(write(compile_with(text)))[2], "html.parser")
    assert not soup.find_all("script") and text in soup.get_text()


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
        "//evil.example",
        "https://", "http://user:pass@host.example/", "https://{{first_name}}.example/", "https://a.example/\r\nX: y",
        "{{attributes.url}}", "ht!tp://x", "https://a b.example", "/relative", "mailto:", "https://[::1",
        "java\tscript:x",
        "https://a.example/{{first name}}", "https://nodots/",
    ],
)  # fmt: skip
def test_an_unfit_address_is_a_problem_and_no_link(url: str) -> None:
    assert find_url_problem(url) and find_url_problem("https://a.example/\u2028")
    compiled = render_campaign({"subject": "x", "blocks": [{"kind": "text", "text": f"[x]({url})"}]}, BRAND)
    links = [link.url for link in compiled.links if not link.is_honeypot]
    assert links == []
    if "\n" not in url and "\u2028" not in url:
        button = {"kind": "button", "label": "x", "url": url}
        assert render_campaign({"subject": "x", "blocks": [button]}, BRAND).problems


def test_values_in_addresses_cannot_leave_their_component() -> None:
    content = {"subject": "x", "blocks": [{"kind": "image", "url": "https://a.example/{{name}}.png", "alt": ""}]}
    html = read(write(render_campaign(content, BRAND), '../?x="#&y'))[2]
    assert "https://a.example/..%2F%3Fx%3D%22%23%26y.png" in html


def test_every_link_is_counted_once_and_leads_through_lux() -> None:
    content = {
        "subject": "x",
        "blocks": [
            {"kind": "text", "text": "[a](https://a.example/1) [b](https://a.example/2) [c](https://a.example/1)"},
            {"kind": "button", "label": "Write", "url": "mailto:hello@lumen.example"},
        ],
    }
    compiled = render_campaign(content, BRAND)
    assert [(link.number, link.url, link.label) for link in compiled.links if not link.is_honeypot] == [
        (1, "https://a.example/1", "a"),
        (2, "https://a.example/2", "b"),
    ]
    _, plain, html = read(write(compiled))
    targets = [str(tag["href"]) for tag in BeautifulSoup(html, "html.parser").find_all("a", href=True)]
    assert [target[:28] for target in targets].count("https://mail.lumen.example/c") == 4  # the trap is one of them
    assert "mailto:hello@lumen.example" in targets and "https://a.example" not in html
    assert "https://mail.lumen.example/c/" in plain and "https://a.example" not in plain


def test_every_mail_has_a_way_out_and_an_address_whatever_its_blocks() -> None:
    for blocks in ([], [{"kind": "footer", "text": "Bye"}], [{"kind": "divider"}]):
        for part in read(write(render_campaign({"subject": "x", "blocks": blocks}, BRAND)))[1:]:
            assert "https://mail.lumen.example/u/" in part and "1 Harbour Street" in part
    by_hand = render_campaign({"subject": "x", "blocks": [], "text": "My own {{first_name}} text"}, BRAND)
    plain = read(write(by_hand))[1]
    assert plain.startswith("My own Ann text") and "https://mail.lumen.example/u/" in plain


def test_missing_values_and_problems_are_named() -> None:
    compiled = compile_with("{{first_name}} {{company|your company}} {{attributes.plan}}")
    assert compiled.missing_values({"first_name": "Ann"}) == ["attributes.plan"]
    assert compiled.missing_values({}) == ["first_name", "attributes.plan"]
    assert compiled.problems == []
    assert {problem.path for problem in compile_with("{{evil}}").problems} >= {"subject", "blocks.0.text"}


def test_a_stored_campaign_is_the_same_campaign() -> None:
    compiled = compile_with("{{first_name|you}} & [x](https://a.example/?a={{name|b}})")
    again = CompiledCampaign.from_json(compiled.to_json())
    assert write(again) == write(compiled)


def test_the_preview_leads_to_the_real_targets_and_loads_no_pixel() -> None:
    preview = compile_with("Hi {{first_name}} [x](https://a.example/?a={{name}})").preview()
    assert "https://a.example/?a=Alex%20Morgan" in preview.html and "/c/" not in preview.html
    assert "/o/" not in preview.html and preview.subject.startswith("Hi Alex")


@pytest.mark.parametrize("field", ["subject", "preheader", "from_name", "reply_to"])
@pytest.mark.parametrize("broken", ["\r", "\n", "\r\n", "\u2028", "\u2029", "\x85", "\x00"])
def test_a_line_break_in_a_header_field_is_refused_at_save(field: str, broken: str) -> None:
    with pytest.raises(InputInvalid):
        render_campaign({"subject": "x", field: f"a{broken}Bcc: all@evil.example"}, BRAND)


@pytest.mark.parametrize("broken", ["\r", "\n", "\r\n", "\u2028", "\u2029", "\x85"])
def test_a_line_break_in_a_value_is_refused_at_send(broken: str) -> None:
    compiled = render_campaign({"subject": "Hi {{name}}", "blocks": []}, BRAND)
    with pytest.raises(HeaderRefused):
        write(compiled, f"Eve{broken}Bcc: all@evil.example")


def test_the_raw_bytes_have_exactly_our_headers() -> None:
    raw = write(compile_with("{{name}}"), "Bcc: x@y.z, Subject: =?utf-8?q?=0D=0ABcc:_all@evil.example?=")
    message = message_from_bytes(raw, policy=policy.compat32)
    assert message.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID",
        "MIME-Version", "Content-Type",
    ]  # fmt: skip
