"""Rules for the model's service: key, quota, rate, model name, network; LUX's own sentences about them count too."""

from __future__ import annotations

import re

from diagnosis.base import (
    AUTHENTICATION,
    CODE,
    CONFIGURATION,
    CONNECTION,
    RESOURCE,
    TIMEOUT,
    Find,
    Match,
    Rule,
    Scene,
    Sign,
    Signal,
    finds,
    words,
)
from diagnosis.gunicorn_worker import is_abort, list_timeouts, stuck_in
from diagnosis.offers import CLOSE_CIRCUIT, OPEN_CIRCUIT, RESTART_UNIT, RETRY_JOB, USE_FALLBACK_MODEL

_MODEL = re.compile(r"^(?:openai|ai|litellm|anthropic|azure\.ai)\b")
_BROAD = (
    "OpenAIError", "APIError", "APIStatusError", "RateLimitError", "NotFoundError", "AuthenticationError",
    "BadRequestError", "ModelFailed", "ModelUnavailable", "InvalidRequestError", "PermissionDeniedError",
    "UnprocessableEntityError", "InternalServerError", "APIConnectionError", "HTTPStatusError", "HTTPError",
    "TryAgain", "ServiceUnavailableError", "Exception", "APIResponseValidationError", "ConflictError",
)  # fmt: skip
_SOURCES = ("error", "gunicorn", "systemd", "app", "text")


def is_of_model(signal: Signal) -> bool:
    """Whether the exception is the model client's or LUX's own door to it."""
    return _MODEL.match(signal.error_type) is not None


def _says(*alternatives: str, codes: tuple[str, ...] = ()) -> Find:
    return finds(Sign(codes=codes, words=words(*alternatives), broad=_BROAD, sources=_SOURCES))


def _named(scene: Scene, *names: str) -> list[Signal]:
    return [s for s in scene.signals if s.name in names and is_of_model(s)]


def _match(signals: list[Signal], confidence: float, cause: str = "") -> Match | None:
    return Match(tuple(signals), confidence, cause=cause) if signals else None


def _key_refused(scene: Scene) -> Match | None:
    said = _says(
        "Incorrect API key provided", "invalid api[ _]key",
        r"does not accept the key \(OPENAI_API_KEY\)", "Invalid Authentication", "invalid_api_key",
        codes=("invalid_api_key", "invalid_authentication", "account_deactivated"),
    )(scene)  # fmt: skip
    missing = KEY_MISSING.find(scene)
    named = [s for s in _named(scene, "AuthenticationError") if missing is None or s not in missing.signals]
    return said or _match(named, 0.94)


def _quota(scene: Scene) -> Match | None:
    return _says(
        "exceeded your current quota", "insufficient_quota", "has no credit left", "billing (?:hard )?limit",
        "billing details", "Your account is not active", "credit balance is too low",
        r"insufficient (?:balance|funds|credits?)\b",
        codes=("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"),
    )(scene)  # fmt: skip


def _rate(scene: Scene) -> Match | None:
    quota = _quota(scene)
    broke = {id(signal) for signal in quota.signals} if quota else set()
    said = _says(
        r"Rate limit reached for", "rate_limit_exceeded", "Too Many Requests", r"Please try again in [\d.]{1,8} ?m?s",
        "Request too large for .{1,80} on (?:tokens|requests) per min", "is busy with other requests of this account",
        "currently overloaded with other requests",
        codes=("rate_limit_exceeded",),
    )(scene)  # fmt: skip
    hits = list(said.signals) if said else []
    hits += [s for s in _named(scene, "RateLimitError") if s not in hits]
    left = [s for s in hits if id(s) not in broke and (not s.error_type or is_of_model(s) or "429" in s.said)]
    return _match(left, 0.93 if said else 0.8)


def _not_found(scene: Scene) -> Match | None:
    said = _says(
        r"The model .{1,120} (?:does not exist|has been deprecated|has been shut down)", "model_not_found",
        r"The model .{0,120}does not exist", "does not know this model or address", "you do not have access to it",
        "The API deployment for this resource does not exist", r"model .{1,80} not found",
        codes=("model_not_found", "deployment_not_found", "model_not_available"),
    )(scene)  # fmt: skip
    return said or _match(_named(scene, "NotFoundError"), 0.85)


def _unreachable(scene: Scene) -> Match | None:
    raised = list(_named(scene, "APITimeoutError", "APIConnectionError", "Timeout", "APIConnectionTimeoutError"))
    said = _says(
        r"The model did not answer in time", r"The model stopped in the middle of its answer",
        r"The AI service cannot be reached", "The AI service hung up before it answered",
        r"^Request timed out\.$", r"Error communicating with OpenAI",
    )(scene)  # fmt: skip
    stuck = [s for s in scene.signals if is_abort(s) and stuck_in(s) == "model"]
    hits = list(dict.fromkeys([*raised, *(said.signals if said else ()), *stuck]))
    if not hits:
        return None
    names = [s for s in scene.signals if s.name == "gaierror" or "errno -2" in s.codes or "errno -3" in s.codes]
    if stuck:
        cause = "The model answered so slowly that gunicorn stopped the worker that waited for it."
        timeouts = [s for s in list_timeouts(scene) if s not in hits]
        return Match((*hits, *timeouts), 0.95, cause=cause)
    if names:
        cause = (
            "The model's service cannot be reached: its host name is not resolved (OPENAI_BASE_URL, or the resolver)."
        )
        return Match((*hits, *names), 0.95, cause=cause)
    return Match(tuple(hits), 0.95 if raised else 0.9)


def _server_fault(scene: Scene) -> Match | None:
    raised = [
        s
        for s in scene.signals
        if is_of_model(s)
        and (
            s.name in ("InternalServerError", "ServiceUnavailableError")
            or any(
                c in s.codes
                for c in ("http 500", "http 502", "http 503", "http 529", "engine_overloaded", "server_error")
            )
        )
    ]
    said = _says(
        r"The AI service has a fault of its own", "The server had an error (?:while processing|processing)",
        "The AI service sent an error instead of an answer", "That model is currently overloaded",
        "The engine is currently overloaded",
        codes=("server_error", "engine_overloaded"),
    )(scene)  # fmt: skip
    return _match(list(dict.fromkeys([*raised, *(said.signals if said else ())])), 0.92)


def _garbage(scene: Scene) -> Match | None:
    said = _says(
        "The AI service's answer could not be read", "The model's answer broke off before its end",
        "The model's answer broke off", "The model's answer was longer than allowed",
    )(scene)  # fmt: skip
    raised = [
        s for s in scene.signals
        if s.name in ("JSONDecodeError", "APIResponseValidationError", "RemoteProtocolError")
        and (is_of_model(s) or any("/openai/" in frame.partition("\t")[0] for frame in s.frames))
    ]  # fmt: skip
    return _match(list(dict.fromkeys([*(said.signals if said else ()), *raised])), 0.88)


KEY_REFUSED = Rule(
    key="model-key-refused",
    row="25",
    class_=AUTHENTICATION,
    cause="The model's service does not accept the key: it is wrong or was rotated, or this process still holds "
    "the old one.",
    find=_key_refused,
    trap="A corrected env file changes nothing in a process that runs already.",
    repairs=(RESTART_UNIT,),
    advice=(
        "Is the environment file newer than the process (`systemctl show lux -p ActiveEnterTimestamp`)? Then "
        "restart the unit.",
        "Otherwise make a new key at the provider and set OPENAI_API_KEY. Playbooks go on meanwhile.",
        "Check that OPENAI_BASE_URL belongs to the service that issued the key.",
    ),
)
KEY_MISSING = Rule(
    key="model-key-missing",
    row="26",
    class_=CONFIGURATION,
    cause="This process has no key for the model: a key exported in a shell does not reach a systemd unit.",
    find=_says(
        "You didn.{0,2}t provide an API key",
        "Missing credentials",
        "api_key client option must be set",
        "No API key provided",
        r"No AI key is set \(OPENAI_API_KEY\)",
        "OPENAI_API_KEY environment variable",
        "Did not find openai_api_key",
    ),
    trap="`echo $OPENAI_API_KEY` in your shell proves nothing about the unit.",
    advice=(
        "Put `OPENAI_API_KEY=sk-…` into /etc/lux/lux.env (owner root, mode 0640).",
        "In the unit, under [Service]: `EnvironmentFile=/etc/lux/lux.env`.",
        "`systemctl daemon-reload && systemctl restart lux lux-worker`; in development put it into .env.",
    ),
)
QUOTA = Rule(
    key="model-quota",
    row="27",
    class_=RESOURCE,
    cause="The account at the model's service has no credit left, or its spending limit is reached.",
    find=_quota,
    trap="It is a 429, but no rate limit: trying again never helps.",
    repairs=(OPEN_CIRCUIT,),
    advice=(
        "Add credit or raise the limit at the provider's billing page.",
        "With the circuit open, agents and chatbot work from their playbooks; close it when billing is settled.",
    ),
)
RATE = Rule(
    key="model-rate-limited",
    row="27, neighbour",
    class_=RESOURCE,
    cause="The model's service limits how fast this account may ask; it says when to come back.",
    find=_rate,
    trap="It is no want of credit: `insufficient_quota` would say so.",
    repairs=(RETRY_JOB,),
    advice=(
        "Wait as long as Retry-After says; LUX does that by itself, up to three tries.",
        "If it lasts: fewer agents at once, shorter prompts, a higher tier at the provider, or a fallback model.",
    ),
    gravity=0,
)
NOT_FOUND = Rule(
    key="model-not-found",
    row="29",
    class_=CONFIGURATION,
    cause="The model that is set is unknown to the service: retired, mistyped, or not open to this account.",
    find=_not_found,
    trap="The key is fine: a new key meets the same answer.",
    repairs=(USE_FALLBACK_MODEL,),
    advice=(
        "Compare OPENAI_MODEL with the provider's list of models (`GET /v1/models` with your key).",
        "Until then use the configured fallback (OPENAI_FALLBACK_MODEL).",
    ),
)
UNREACHABLE = Rule(
    key="model-unreachable",
    row="30",
    class_=TIMEOUT,
    cause="The model's service does not answer in time or cannot be reached: network, proxy, or the service is slow.",
    find=_unreachable,
    trap="The SDK waits 600 s three times by default: the limit must stay below gunicorn's timeout.",
    repairs=(OPEN_CIRCUIT,),
    advice=(
        "`curl -sS -m 10 -o /dev/null -w '%{http_code}\\n' $OPENAI_BASE_URL/models` from this machine: 401 means it is "
        "reachable.",
        "Look at the provider's status page, the proxy and the firewall. The circuit keeps LUX quick meanwhile.",
    ),
    explains=("connection-failed",
        "worker-timeout", "nginx-upstream-closed", "nginx-upstream-timeout", "nginx-upstream-refused",
        "model-circuit-open", "nginx-upstream-backlog",
    ),
)  # fmt: skip
SERVER_FAULT = Rule(
    key="model-service-fault",
    row="30, neighbour",
    class_=CONNECTION,
    cause="The model's service has a fault of its own (5xx).",
    find=_server_fault,
    trap="Nothing of yours is wrong; more tries make it worse for everybody.",
    repairs=(OPEN_CIRCUIT, USE_FALLBACK_MODEL),
    advice=("Look at the provider's status page; LUX tries again by itself and works from its playbooks meanwhile.",),
    explains=("model-circuit-open",),
)
NOT_ALLOWED = Rule(
    key="model-not-allowed",
    row="25, neighbour",
    class_=AUTHENTICATION,
    cause="The key is valid, but this account, project or country may not do this.",
    find=lambda scene: _says(
        "Country, region, or territory not supported", "does not have access to (?:model|this)",
        "not a member of an organization",
        codes=("unsupported_country_region_territory", "mismatched_organization", "ip_not_authorized",
        "access_terminated"),
    )(scene) or _match(_named(scene, "PermissionDeniedError"), 0.9),
    repairs=(OPEN_CIRCUIT,),
    advice=("Check project, organisation and rights of the key at the provider.",),
)  # fmt: skip
TOO_LONG = Rule(
    key="model-prompt-too-long",
    row="29, neighbour",
    class_=CODE,
    cause="The prompt is longer than the model can read.",
    find=_says(
        "maximum context length",
        "context_length_exceeded",
        "string too long",
        "reduce the length of the messages",
        codes=("context_length_exceeded", "string_above_max_length"),
    ),
    advice=("Shorten what goes into the prompt (brief, history, data), or use a model with a larger context.",),
    gravity=0,
)
GARBAGE = Rule(
    key="model-answer-broken",
    row="30, neighbour",
    class_=CONNECTION,
    cause="What came back from OPENAI_BASE_URL is no answer of a model: cut off, or a proxy's or sign-in page.",
    find=_garbage,
    trap="A status of 200 proves nothing: a proxy's welcome page has it too.",
    repairs=(OPEN_CIRCUIT,),
    advice=("Fetch OPENAI_BASE_URL/models by curl and read what comes: JSON, or somebody's HTML?",),
    gravity=0,
)
CIRCUIT_OPEN = Rule(
    key="model-circuit-open",
    row="30, neighbour",
    class_=CONNECTION,
    cause="The circuit to the model is open: LUX lets the service rest after several failures.",
    find=finds(
        Sign(sources=("health",), words=words(r"^health circuit \w+: The circuit to the model is open")),
        Sign(
            words=words(
                r"The AI service failed \d+ times in a row, so LUX lets it rest",
                "the circuit (?:to the model )?is open",
            ),
            broad=_BROAD,
            sources=_SOURCES,
        ),
    ),
    trap="The circuit is not the fault; what opened it is.",
    repairs=(CLOSE_CIRCUIT,),
    advice=(
        "Look at the failures before it. When the service answers again, the circuit closes by itself or by hand.",
    ),
    gravity=0,
)
BUDGET = Rule(
    key="model-budget",
    row="27, neighbour",
    class_=RESOURCE,
    cause="Today's budget for the model (AI_DAILY_BUDGET_USD) is used up; LUX stopped asking by itself.",
    find=_says(r"Today's AI budget of \$[\d,.]{1,12} is used up"),
    advice=(
        "It starts again at midnight. Raise AI_DAILY_BUDGET_USD if the spending is wanted; look which agent spent it.",
    ),
    gravity=0,
)
