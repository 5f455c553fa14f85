"""Rules for faults of code and contract: templates, webhook bodies, content types, encodings, contexts; and "
"for noise."""

from __future__ import annotations

import re

from diagnosis.base import CODE, CONFIGURATION, NOISE, Find, Match, Rule, Scene, Sign, Signal, finds, words
from diagnosis.offers import MARK_NOISE
from lib.field_names import EMAIL_KEYS, FIRST_NAME_KEYS, FULL_NAME_KEYS, LAST_NAME_KEYS, NAME_KEYS, PHONE_KEYS

_CONTACT_FIELDS = EMAIL_KEYS | NAME_KEYS | FIRST_NAME_KEYS | LAST_NAME_KEYS | FULL_NAME_KEYS | PHONE_KEYS
_SOURCES = ("error", "gunicorn", "systemd", "app", "text")
_BODY = re.compile(r"webhook|intake|zapier|get_json\(|request\.(?:json|form)|payload", re.IGNORECASE)
_CSV = re.compile(r"csv|import|upload|\.decode\(", re.IGNORECASE)


def _says(*alternatives: str, types: tuple[str, ...] = (), broad: tuple[str, ...] = ()) -> Find:
    return finds(Sign(types=types, words=words(*alternatives) if alternatives else None, broad=broad, sources=_SOURCES))


def _is_about(signal: Signal, pattern: re.Pattern[str]) -> bool:
    """Whether the place or the code on the way speaks of it; the message may be a stranger's and is not asked."""
    return pattern.search(signal.place) is not None or any(pattern.search(frame) for frame in signal.frames[-6:])


def _key_missing(scene: Scene) -> Match | None:
    hits = [s for s in scene.signals if s.name == "KeyError" and s.depth == 0]
    of_body = [s for s in hits if _is_about(s, _BODY)]
    if of_body:
        return Match(tuple(of_body), 0.95)
    # Copied without its stack: a contact's field is most likely a webhook's.
    alone = [s for s in hits if not s.frames and not s.place and s.said.strip("'\"").lower() in _CONTACT_FIELDS]
    return Match(tuple(alone), 0.6) if alone else None


def _bad_body(scene: Scene) -> Match | None:
    spoken = _says(
        r"^(?:400 Bad Request: )?Failed to decode JSON object",
        "The browser \\(or proxy\\) sent a request that this server could not understand",
        broad=("BadRequest",), types=("BadRequestKeyError",),
    )(scene)  # fmt: skip
    decoding = [
        s for s in scene.signals
        if s.name == "JSONDecodeError" and any("werkzeug" in f or "flask" in f or "get_json" in f for f in s.frames)
    ]  # fmt: skip
    hits = [*(spoken.signals if spoken else ()), *decoding]
    has_cause = bool(decoding) or any(
        s.depth or "Failed to decode" in s.said or s.name == "BadRequestKeyError" for s in hits
    )
    return Match(tuple(hits), 0.93 if has_cause else 0.7) if hits else None


def _noise(scene: Scene) -> Match | None:
    hits = [
        s for s in scene.signals
        if s.fields.get("kind") == NOISE and (s.error_type or s.source in ("nginx", "gunicorn", "systemd"))
    ]  # fmt: skip
    return Match(tuple(hits), 0.85) if hits else None


def _encoding(scene: Scene) -> Match | None:
    hits = [s for s in scene.signals if s.name == "UnicodeDecodeError"]
    if not hits:
        return None
    is_file = any(_is_about(s, _CSV) for s in hits)
    return Match(tuple(hits), 0.95 if is_file else 0.9)


TEMPLATE_MISSING = Rule(
    key="template-missing",
    row="38",
    class_=CODE,
    cause="A page names a template that is not there: a typing error, or a file that the deploy left out.",
    find=_says(types=("TemplateNotFound", "TemplatesNotFound")),
    trap="On a system that ignores capitals it works: names of files count letter by letter on Linux.",
    advice=("Compare the name with the files under templates/; correct it, or deploy the file that is missing.",),
    gravity=0,
)
TEMPLATE_BROKEN = Rule(
    key="template-broken",
    row="38",
    class_=CODE,
    cause="A template cannot be read: its syntax is broken.",
    find=_says(types=("TemplateSyntaxError", "TemplateAssertionError", "TemplateRuntimeError")),
    advice=("The traceback names template and line: mend the block that is open, or roll the deploy back.",),
    gravity=0,
)
UNDEFINED = Rule(
    key="template-undefined",
    row="38",
    class_=CODE,
    cause="A template uses a value that the page does not give it.",
    find=_says(types=("UndefinedError",)),
    trap="`|default('')` hides that the page forgot it.",
    advice=("Give the value in the view, or ask `is defined` where it may be missing.",),
    gravity=0,
)
KEY_MISSING = Rule(
    key="webhook-key-missing",
    row="38",
    class_=CODE,
    cause="The code expects a field that the body which came does not have.",
    find=_key_missing,
    trap="The sender is not wrong: a webhook's fields change without notice.",
    advice=(
        "Read optional fields with .get() and answer 422 with the field's name.",
        "LUX keeps what came: after the mapping is corrected, replay the bodies from the Webhook inbox.",
    ),
    gravity=0,
)
BAD_BODY = Rule(
    key="request-body-broken",
    row="38",
    class_=CODE,
    cause="A request said that it brings JSON, or a form's field, and did not (400).",
    find=_bad_body,
    trap="It is the caller's fault, and no reason for a 500 or an alert.",
    advice=("Answer 400 with a sentence; look at the caller: Zapier's step, a script, or a bot.",),
    gravity=0,
)
MEDIA_TYPE = Rule(
    key="content-type-unsupported",
    row="38",
    class_=CODE,
    cause="The caller sent another content type than the address takes (415), most often JSON without saying so.",
    find=_says(
        r"^(?:415 Unsupported Media Type: )?Did not attempt to load JSON data",
        r"^415 Unsupported Media Type",
        "^answered 415",
        types=("UnsupportedMediaType",),
    ),
    advice=(
        "Let the caller send `Content-Type: application/json`, or read the body with get_json(force=True) on purpose.",
    ),
    gravity=0,
)
ENCODING = Rule(
    key="text-encoding",
    row="38",
    class_=CODE,
    cause="A file or body is not UTF-8: most often a CSV that Excel saved as Windows-1252.",
    find=_encoding,
    trap="errors='ignore' drops letters out of people's names.",
    advice=(
        "Try UTF-8 with a mark, then Windows-1252, or ask for the file as `CSV UTF-8`; show a sample before importing.",
    ),
    gravity=0,
)
CSRF = Rule(
    key="csrf-missing",
    row="38",
    class_=CODE,
    cause="A POST came without the CSRF token: for a webhook its address is not exempt, for a page the session "
    "has ended.",
    find=_says(
        r"^(?:400 Bad Request: )?The CSRF (?:token|session token|tokens?) (?:is missing|has expired|do not "
        r"match|is invalid)",
        "The referrer header is missing",
        types=("CSRFError",),
        broad=("BadRequest",),
    ),
    trap="Switching CSRF protection off for the whole site opens every form to other sites.",
    advice=(
        "For a webhook: guard it by its own credential and exempt that blueprint alone.",
        "For a page: it was open longer than the session; the person loads it again.",
    ),
    gravity=0,
)
CONTEXT = Rule(
    key="outside-app-context",
    row="38",
    class_=CODE,
    cause="Code that needs the app ran outside of it: a thread, a job or a script without app.app_context().",
    find=_says(
        r"^Working outside of (?:application|request) context",
        "The current Flask app is not registered with this",
        "No application (?:seems to be active|found)",
        broad=("RuntimeError",),
    ),
    advice=(
        "Wrap the thread's or job's work in `with app.app_context():`, and give it values in place of request objects.",
    ),
    gravity=0,
)
SETTING = Rule(
    key="setting-invalid",
    row="8, neighbour",
    class_=CONFIGURATION,
    cause="LUX does not start because a setting is missing or wrong; the message names it.",
    find=_says(types=("SettingInvalid", "StartRefused")),
    trap="A default that is right for development is refused in production on purpose.",
    advice=(
        "Correct the setting in the unit's environment file, then restart; `flask --app app lux settings` shows all.",
    ),
    explains=(
        "worker-boot-failed",
        "systemd-unit-failed",
        "systemd-start-limit",
        "nginx-upstream-refused",
        "nginx-socket-missing",
    ),
    gravity=2,
)
SERVER_ERROR = Rule(
    key="answered-500",
    row="38, neighbour",
    class_=CODE,
    cause="LUX answered 500: its own log and error groups have the exception, nginx's line does not.",
    find=lambda scene: _access_500(scene),
    advice=("Open the error groups of that minute; the request id is the same in nginx's log and LUX's.",),
    gravity=0,
)
SCANNER_NOISE = Rule(
    key="scanner-noise",
    row="38",
    class_=NOISE,
    cause="Bots and scanners ask for what is not there, and visitors leave early: ordinary traffic.",
    find=_noise,
    trap="Blocking address by address is endless work.",
    repairs=(MARK_NOISE,),
    advice=("Nothing needs to be done.",),
    gravity=0,
)


def _access_500(scene: Scene) -> Match | None:
    found = finds(
        Sign(sources=("nginx", "app", "text"), words=words(r"^answered 500\b", r"^500 Internal Server Error"))
    )(scene)
    return Match(found.signals, 0.6) if found else None
