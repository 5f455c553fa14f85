"""What programs send to LUX and get back, as types: the description of the API is made of them.

To add a call, add its shapes here and its line to CALLS in pages/api_description.py. Words of LUX's own are spelt out;
what a repair or a log line brings along is an object.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lib.row_ids import LARGEST

Severity = Literal["error", "warning", "critical"]
CheckState = Literal["pass", "warn", "fail"]
RowId = Annotated[int, Field(ge=1, le=LARGEST)]
Text = Annotated[str, Field(max_length=1_000)]


class Shape(BaseModel):
    """Has exactly the fields that are named."""

    model_config = ConfigDict(extra="forbid")


class OpenShape(BaseModel):
    """Has the named fields, and others that the sender is free to add."""

    model_config = ConfigDict(extra="allow")


class Problem(OpenShape):
    """Why a call was refused (RFC 9457). `errors` names each wrong field, `receipt` what was kept of the body."""

    title: str
    detail: str
    message: Annotated[str, Field(max_length=250)]
    status: int
    errors: dict[str, str] | None = None
    receipt: str | None = None


class ContactBody(OpenShape):
    """A person, as other programs send them: any key is read, whatever it is called; blanks count as absent."""

    email: Text | None = None
    name: Text | None = None
    phone: Text | None = None
    source: Text | None = None


class ContactAnswer(OpenShape):
    """What became of one body with one person; `duplicate` when the same body came before."""

    id: int
    status: Literal["created", "updated", "unchanged"]
    email: str
    name: str | None
    phone: str | None
    source: str | None
    segment: str | None
    segments: list[str]
    subscription: Literal["none", "pending", "subscribed", "unsubscribed", "bounced", "complained"]
    warnings: list[str]
    receipt: str
    duplicate: bool = False


class BatchAnswer(OpenShape):
    """What became of one body with several people."""

    count: int
    created: int
    updated: int
    failed: int
    results: list[dict[str, Any]]
    receipt: str


class AcceptedAnswer(OpenShape):
    """The body is safe on disk; what becomes of it is not known yet."""

    status: Literal["accepted"]
    message: str
    warnings: list[str]
    receipt: str


class Connection(Shape):
    """Whose credential it is."""

    id: int | str
    name: str
    kind: Literal["webhook", "operator"]
    label: str | None = None
    username: str | None = None
    address: str | None = None


class ErrorQuery(Shape):
    """Which errors."""

    hours: Annotated[float, Field(ge=0.01, le=24 * 366)] = 24
    limit: Annotated[int, Field(ge=1, le=200)] = 20
    severity: Severity | None = None
    endpoint: str | None = None
    resolved: bool | None = None
    q: str | None = None
    cursor: Annotated[int, Field(ge=0, le=2**62)] | None = None


class ErrorRow(Shape):
    """One error as it happened, and the group that it belongs to."""

    id: int
    error_type: str
    error_message: str | None
    error_stack: str | None
    endpoint: str | None
    method: str | None
    user_id: int | str | None
    severity: Severity
    is_resolved: bool
    resolution_notes: str | None
    created_at: str
    group_id: int
    occurrences: int
    first_seen: str
    last_seen: str
    state: str
    request_id: str | None
    release: str | None


class ErrorPage(Shape):
    """The newest errors that fit; `cursor=next_cursor` brings the next ones."""

    errors: list[ErrorRow]
    count: int
    total: int
    next_cursor: str | None


class HealthFinding(OpenShape):
    """What one health check found."""

    componentId: str  # noqa: N815  # the draft's own spelling
    status: CheckState
    output: str


class Health(Shape):
    """The state; for operators the findings too (draft-inadarei-api-health-check)."""

    status: CheckState
    version: str | None = None
    releaseId: str | None = None  # noqa: N815  # the draft's own spelling
    checks: dict[str, list[HealthFinding]] | None = None


class RepairStart(Shape):
    """Which error to repair; without an id all of them. `dry_run` plans and changes nothing."""

    error_id: RowId | None = None
    dry_run: bool = False


class Diagnosis(Shape):
    """The cause as far as evidence shows it."""

    rule: str | None
    cause: str | None
    confidence: float | None
    evidence: list[Any] | None


class GroupReport(Shape):
    """What was found and done about one error group."""

    error_id: int | None
    group_id: int | None
    diagnosis: Diagnosis
    fix_steps: list[str]
    actions: list[dict[str, Any]]
    test_results: list[dict[str, Any]]
    resolved: bool
    state: str
    resolution_notes: dict[str, Any]


class RepairReport(Shape):
    """A whole run of the repair."""

    status: str
    examined: int
    resolved: int
    results: list[GroupReport]


class ClearStart(Shape):
    """How old resolved errors must be to be cleared."""

    older_than_hours: Annotated[float, Field(ge=0, le=24 * 366)] = 24


class Cleared(Shape):
    """How many went."""

    cleared: int


class ChatMessage(OpenShape):
    """A message. `key` names it, so that sending it again does nothing twice; `page` is where it was written."""

    message: Annotated[str, Field(min_length=1, max_length=8_000)] | None = None
    action: Literal["message", "diagnose"] = "message"
    conversation_id: RowId | None = None
    key: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    page: str | None = None


class ChatAnswer(Shape):
    """The answer, where it comes from, and the report where something was repaired."""

    response: str
    action: str
    provider: str | None
    evidence: list[str]
    repair: RepairReport | None
    conversation_id: int


class TurnStopped(Shape):
    """The message whose answer was stopped."""

    turn_id: int
    state: str


class ConversationRow(Shape):
    """One conversation of the caller's."""

    conversation_id: int
    title: str
    updated_at: str


class ConversationList(Shape):
    """The caller's conversations, the latest first."""

    conversations: list[ConversationRow]


class TurnRow(OpenShape):
    """One message and its answer."""

    message: str
    state: str
    response: str | None
    conversation_id: int


class ConversationAnswer(Shape):
    """What was said in a conversation, and what it cost."""

    conversation_id: int
    turns: list[TurnRow]
    cost_usd: float


class SiteConversion(Shape):
    """What a visitor's browser tells of, from a site that the rules name. `key` is the site's own number for it."""

    name: str
    key: Annotated[str, Field(max_length=80)] | None = None
    value: Annotated[float, Field(ge=0, le=999_999_999.99)] | None = None
    currency: Annotated[str, Field(pattern="^[A-Za-z]{3}$")] | None = None
    click: Annotated[str, Field(max_length=40)] | None = None
    utm_source: Annotated[str, Field(max_length=80)] | None = None
    utm_medium: Annotated[str, Field(max_length=80)] | None = None
    utm_campaign: Annotated[str, Field(max_length=80)] | None = None
    consent: Any = None


class ServerConversion(SiteConversion):
    """The same from a server, which may name the person by address and say when it was."""

    email: str | None = None
    at: str | None = None
    consent: None = None


class ConversionAnswer(Shape):
    """The conversion, whether it was known already, and what it is put down to."""

    id: int
    status: Literal["noted", "known"]
    attribution: str


class NotNoted(Shape):
    """The visitor's browser asks not to be followed."""

    status: Literal["not noted"]
    reason: str


class Alive(Shape):
    """All is well."""

    status: Literal["pass"]
