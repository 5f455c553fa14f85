"""The codes that programs give their errors: SQLSTATE, errno, HTTP status, mail replies, OpenAI's own.

Codes stay the same when texts change between versions and languages; rules look at them first.
"""

from __future__ import annotations

import builtins
import re

import psycopg.errors

_SQLSTATES: dict[str, str] = {
    name: str(kind.sqlstate)
    for name, kind in vars(psycopg.errors).items()
    if isinstance(kind, type) and issubclass(kind, psycopg.Error) and getattr(kind, "sqlstate", None)
}
_OF_DATABASE = ("psycopg", "asyncpg", "sqlalchemy", "pg8000")
_OF_NETWORK = (*_OF_DATABASE, "httpx", "httpcore", "urllib", "requests", "socket", "ssl", "channels", "smtplib")
_SQLSTATE = re.compile(r"\bSQLSTATE[\[:= ]{0,3}([0-9A-Z]{5})\b")
_ERRNO = re.compile(r"\[(?:Errno|WinError) (-?\d{1,5})\]|(?:failed|timed out|reported) \((\d{1,3}): ")
_HTTP = re.compile(r"^(?:Error code: |HTTP(?:/\d(?:\.\d)?)? |HTTP Error |answered )?([45]\d\d)(?:\b|$)(?![.,]\d)")
_OPENAI = re.compile(r"""["'](?:code|type)["']: ?["']([a-z_]{4,60})["']""")
_REPLY = re.compile(
    r"(?:\((?=[245]\d\d,)|\bsa(?:id|ys):? |^)([245]\d\d)(?:, b?[\"']|[ -]|, )(?:#?([245]\.\d{1,3}\.\d{1,3})\b)?"
)
_FURTHER_REPLY = re.compile(r"\((4\d\d|5\d\d), b?['\"](?:([245]\.\d{1,3}\.\d{1,3})\b)?")
_OPENAI_STATUS = {
    "AuthenticationError": "401",
    "PermissionDeniedError": "403",
    "NotFoundError": "404",
    "RateLimitError": "429",
    "BadRequestError": "400",
    "InternalServerError": "500",
    "ServiceUnavailableError": "503",
}
# What a model's service calls its errors; other words under "code" and "type" are somebody else's.
OPENAI_CODES = {
    "invalid_api_key", "insufficient_quota", "model_not_found", "rate_limit_exceeded", "context_length_exceeded",
    "invalid_request_error", "server_error", "billing_hard_limit_reached", "account_deactivated", "tokens",
    "requests", "invalid_organization", "billing_not_active", "access_terminated", "ip_not_authorized",
    "unsupported_country_region_territory", "mismatched_organization", "invalid_authentication",
    "model_not_available", "deployment_not_found", "string_above_max_length", "content_filter", "engine_overloaded",
    "quota_exceeded",
}  # fmt: skip


def codes_of(error_type: str, message: str) -> tuple[str, ...]:
    """The codes of an exception or a message, the most telling first."""
    module, _, name = error_type.rpartition(".")
    is_model, is_mail = "openai" in module, "smtplib" in module or name.startswith("SMTP") or name.startswith("Channel")
    found: list[str] = []
    found += _of_database(module, name, message)
    if is_model or name in ("HTTPStatusError", "HTTPError", "ClientResponseError") or not error_type:
        found += _of_model(message)
    if is_model and name in _OPENAI_STATUS:
        found.append(f"http {_OPENAI_STATUS[name]}")
    if is_mail or not error_type:
        found += _of_mail(message, is_exception=is_mail)
    # Elsewhere than at its beginning a message may hold what somebody typed, unless the class is the network's own.
    look = _ERRNO.search if is_mail or not error_type or module.startswith(_OF_NETWORK) else _ERRNO.match
    if match := look(message.partition("\n")[0][:400]) if is_mail or not found else None:
        found.append(f"errno {match.group(1) or match.group(2)}")
    if not is_mail and (match := _HTTP.match(message)):
        found.append(f"http {match.group(1)}")
    return tuple(dict.fromkeys(found))


def _of_database(module: str, name: str, message: str) -> list[str]:
    is_database = module.startswith(_OF_DATABASE)
    is_bare = not module and not hasattr(builtins, name)
    if (is_database or is_bare) and (state := _SQLSTATES.get(name) or _SQLSTATES.get(name.removesuffix("Error"))):
        return [state]
    match = _SQLSTATE.search(message[:1000]) if is_database or not name else None
    return [match.group(1)] if match else []


def _of_model(message: str) -> list[str]:
    found = [code for code in _OPENAI.findall(message[:2000]) if code in OPENAI_CODES]
    # The code says more than the type: "rate_limit_exceeded" of type "tokens".
    return sorted(dict.fromkeys(found), key=lambda code: code in ("invalid_request_error", "tokens", "requests"))


def _of_mail(message: str, *, is_exception: bool) -> list[str]:
    found: list[str] = []
    first = _REPLY.search(message[:400])
    for match in [*_FURTHER_REPLY.finditer(message[:4000])][:5] or ([first] if first else []):
        # A number alone may be anything, but not after these words of LUX.
        if not is_exception and not match.group(2) and "mail server says" not in message:
            continue
        found += [f"smtp {match.group(1)}", *([match.group(2)] if match.group(2) else [])]
    return found
