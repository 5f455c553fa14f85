"""The guards: who may enter a page or call an address. routes.py names one for every address.

To add a guard, make a Guard below; its check raises NotSignedIn or NotAllowed.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Request, g, request, session
from flask_login import current_user

from accounts.sessions import find_session_user
from accounts.tokens import count_wrong_token, find_token, note_token_use
from accounts.webhook_credentials import Credential, find_credential
from config import current_settings
from errors import LuxError, NotAllowed, TooMany
from extensions import csrf, login
from lib.probe_mark import PROBE_KEY
from models import User

# What proxies add. A request that carries one is somebody else's, whatever its peer.
PROXY_HEADERS = ("forwarded", "x-forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "via")
ROLE_RANK = {"viewer": 1, "marketer": 2, "operator": 3, "owner": 4}


class NotSignedIn(LuxError):
    """Nobody is signed in. `challenge` is the WWW-Authenticate header for programs, where there is one."""

    status = 401
    title = "Sign in first"

    def __init__(self, detail: str = "Sign in first.", challenge: str | None = None) -> None:
        super().__init__(detail)
        self.challenge = challenge


class NotApproved(NotAllowed):
    """Somebody is signed in, but the owner has not given them a role."""


@dataclass(frozen=True)
class Guard:
    """Who may enter. `uses_session` says whether a browser's cookie opens it, and so whether CSRF matters.

    `checks_forgery`: programs come in with a token of their own, so that the guard itself asks for the CSRF token
    where a cookie opened the door.
    """

    name: str
    check: Callable[[], None]
    uses_session: bool = True
    checks_forgery: bool = False


@dataclass(frozen=True)
class Caller:
    """Who speaks with the chatbot: `key` is whose conversations theirs are."""

    key: str
    name: str
    role: str
    user_id: int | None = None


@login.request_loader  # type: ignore[untyped-decorator]  # Flask-Login has no types
def load_user(asking: Request) -> User | None:
    """The user whose token the signed cookie holds; in a probe of LUX's own, the person that it came with."""
    probing: User | None = asking.environ.get(PROBE_KEY)
    if probing is not None:
        return probing
    token = session.get("token")
    return find_session_user(token) if isinstance(token, str) else None


def peer() -> str:
    """The caller's address, after as many proxies as PROXY_HOPS trusts."""
    return request.remote_addr or "unknown"


def wants_privacy() -> bool:
    """Whether the browser says that its person does not want to be followed: Global Privacy Control or Do Not Track."""
    return "1" in (request.headers.get("Sec-GPC", "").strip(), request.headers.get("DNT", "").strip())


def has_role(least: str) -> bool:
    """Whether the signed-in user may do what `least` may."""
    role = getattr(current_user, "role", None)
    return role is not None and ROLE_RANK[role] >= ROLE_RANK[least]


def _nobody_asked() -> None:
    return None


def _signed_in() -> None:
    if not current_user.is_authenticated:
        raise NotSignedIn


def _role(least: str) -> Callable[[], None]:
    def check() -> None:
        _signed_in()
        if current_user.role is None:
            raise NotApproved("The owner has not approved your account yet.")
        if not has_role(least):
            raise NotAllowed(f"This needs the role {least}; yours is {current_user.role}.")

    return check


def _reads_or(write: str) -> Callable[[], None]:
    may_read, may_write = _role("viewer"), _role(write)

    def check() -> None:
        (may_read if request.method in ("GET", "HEAD", "OPTIONS") else may_write)()

    return check


def current_credential() -> Credential:
    """The webhook credential that the guard has let in."""
    credential: Credential = g.webhook_credential
    return credential


def _zapier() -> None:
    authorization = request.authorization
    username = password = ""
    if authorization is not None and authorization.type == "basic":
        username, password = authorization.username or "", authorization.password or ""
    elif authorization is not None and authorization.type == "bearer":
        password = authorization.token or ""
    credential = find_credential(username, password, peer=peer())
    if credential is None:
        raise NotSignedIn("The credential is missing or wrong.", 'Basic realm="lux-webhook", charset="UTF-8"')
    g.webhook_credential = credential


def is_operator_token() -> bool:
    """Whether the request carries OPERATOR_TOKEN, or a live token with the scope operator, as its bearer token."""
    return has_token_for("operator")


def has_token_for(scope: str) -> bool:
    """Whether the request carries a bearer token that opens the scope; OPERATOR_TOKEN opens all of them.

    The token of the settings works without the database.
    """
    given = _bearer()
    if not given:
        return False
    expected = current_settings().operator_token
    if hmac.compare_digest(_sha256(given), _sha256(expected or "")) and expected:
        note_token_use(None, peer=peer())
        return True
    token = find_token(given)
    if token is None or not {scope, "operator"} & set(token.scopes):
        return False
    note_token_use(token, peer=peer())
    return True


def _bearer() -> str:
    authorization = request.authorization
    is_bearer = authorization is not None and authorization.type == "bearer"
    return (authorization.token or "") if authorization is not None and is_bearer else ""


def is_direct_loopback() -> bool:
    """Whether, in development, the call comes from this very machine and from no foreign page."""
    return not current_settings().is_production and is_own_machine()


def is_own_machine() -> bool:
    """Whether the call comes straight from this very machine: through no proxy, from no foreign page."""
    headers = request.headers
    if any(name.lower().startswith(PROXY_HEADERS) for name, _ in headers):
        return False
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    origin = headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        return False
    return _is_loopback(request.remote_addr or "") and _is_loopback(urlsplit(f"//{request.host}").hostname or "")


def _scraper() -> None:
    if not is_own_machine() and not has_token_for("metrics"):
        _operator_call()


def _operator_call() -> None:
    if is_operator_token() or is_direct_loopback():
        return
    if request.authorization is not None:
        count_wrong_token(peer())
        raise NotSignedIn("The token is wrong.", 'Bearer realm="lux-operator"')
    _role("operator")()
    refuse_forgery()


def refuse_forgery() -> None:
    """For guards that check forgery themselves: a cookie opened the door, so an unsafe request needs its CSRF token."""
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        csrf.protect()


def is_operator_call() -> bool:
    """Whether the caller is an operator: by token, from this very machine in development, or by role."""
    try:
        _operator_call()
    except (NotSignedIn, NotAllowed, TooMany):
        return False
    return True


def _conversion_sender() -> None:
    if not has_token_for("conversions"):
        if request.authorization is not None:
            count_wrong_token(peer())
        raise NotSignedIn("A token with the scope conversions is needed.", 'Bearer realm="lux-conversions"')


def _chatbot_call() -> None:
    """A token speaks for operators, a browser for whom it is signed in; in development this machine, for nobody."""
    if request.authorization is not None:
        if not is_operator_token():
            count_wrong_token(peer())
            raise NotSignedIn("The token is wrong.", 'Bearer realm="lux-operator"')
        g.caller = Caller(f"token {_sha256(_bearer()).hex()[:16]}", "an operator's token", "operator")
    elif current_user.is_authenticated:
        _role("viewer")()
        refuse_forgery()
        g.caller = signed_in_caller()
    elif is_direct_loopback():
        g.caller = Caller("this machine", "this machine", "operator")
    else:
        raise NotSignedIn


def signed_in_caller() -> Caller:
    """Whoever is signed in, as the chatbot knows them."""
    return Caller(f"user {current_user.id}", current_user.name, current_user.role, current_user.id)


def current_caller() -> Caller:
    """Whom the guard of the chatbot has let in."""
    caller: Caller = g.caller
    return caller


def _zapier_or_operator() -> None:
    if is_operator_token():
        return
    _zapier()


anyone = Guard("anyone", _nobody_asked)
public = Guard("public", _nobody_asked, uses_session=False)
signed_in = Guard("signed_in", _signed_in)
viewer = Guard("viewer", _role("viewer"))
marketer = Guard("marketer", _role("marketer"))
operator = Guard("operator", _role("operator"))
owner = Guard("owner", _role("owner"))
viewer_reads_marketer_writes = Guard("viewer_reads_marketer_writes", _reads_or("marketer"))
zapier = Guard("zapier", _zapier, uses_session=False)
zapier_or_operator = Guard("zapier_or_operator", _zapier_or_operator, uses_session=False)
conversion_sender = Guard("conversion_sender", _conversion_sender, uses_session=False)
operator_call = Guard("operator_call", _operator_call, checks_forgery=True)
chatbot_call = Guard("chatbot_call", _chatbot_call, checks_forgery=True)
scraper = Guard("scraper", _scraper, checks_forgery=True)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
