"""Sign in with Replit: to the provider and back on Flask-Dance, with nothing of it shared between threads.

The provider is spoken with in replit_provider.py and believed by lib/id_tokens.py; who that is here stands in
accounts/replit_identities.py; every refusal has its sentence in accounts/replit_refusals.py.
"""

from __future__ import annotations

import secrets
import time
from functools import cached_property

from flask import current_app, flash, g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_dance.consumer import OAuth2ConsumerBlueprint
from flask_dance.consumer.requests import OAuth2Session
from flask_dance.consumer.storage import NullStorage
from flask_login import current_user
from oauthlib.oauth2 import WebApplicationClient
from werkzeug.wrappers import Response

from access import Guard, peer
from accounts.audit import add_audit_entry
from accounts.replit_attempts import Attempt, add_attempt, take_attempt
from accounts.replit_identities import (
    find_arrival,
    find_identity_of,
    find_waiting_claims,
    keep_for_proof,
    link_identity,
    link_proven,
    list_identities,
    unlink_identity,
)
from accounts.replit_refusals import Refused, note_refusal
from accounts.replit_tokens import Tokens, find_id_token, refresh_tokens, save_tokens
from accounts.sessions import end_session
from accounts.users import get_user
from config import current_settings
from lib.id_tokens import Claims
from models import ReplitIdentity
from pages.sign_in import admit, safe_next
from replit_provider import TIMEOUT_SECONDS, asked_for_tokens, check_token_answer, get_provider

SCOPES = ["openid", "profile", "email", "offline_access"]
PROMPT = "login consent"
BROWSER_COOKIE_SECONDS = 3600
REFUSALS_OF_PEOPLE = {"access_denied", "login_required", "consent_required", "interaction_required"}
LINKED = "Replit is linked to your account. From now on you can sign in with it."
FRAMES = ("iframe", "frame", "embed", "object")


class ReplitBlueprint(OAuth2ConsumerBlueprint):  # type: ignore[misc]  # Flask-Dance has no types
    """Flask-Dance's blueprint, which keeps its conversation on itself and so lets threads read each other's.

    Here the conversation and the parameters of both its calls live on `g`, for one request.
    """

    @property
    def session(self) -> OAuth2Session:
        if "replit_conversation" not in g:
            client_id = get_provider().client_id
            client = WebApplicationClient(client_id)
            g.replit_conversation = made = OAuth2Session(self, client_id=client_id, client=client)
            made.max_redirects = 0
            made.redirect_uri = own_address("replit_auth.authorized")
            for kind in ("access_token_response", "refresh_token_response"):
                made.register_compliance_hook(kind, check_token_answer)
        conversation: OAuth2Session = g.replit_conversation
        return conversation

    @session.deleter
    def session(self) -> None:
        g.pop("replit_conversation", None)

    @property
    def authorization_url_params(self) -> dict[str, str]:
        params: dict[str, str] = g.setdefault("replit_authorization_params", {})
        return params

    @authorization_url_params.setter
    def authorization_url_params(self, _value: object) -> None:
        """Flask-Dance's constructor would keep one dictionary for all."""

    @property
    def token_url_params(self) -> dict[str, str]:
        params: dict[str, str] = g.setdefault("replit_token_params", {})
        return params

    @token_url_params.setter
    def token_url_params(self, _value: object) -> None:
        """As above."""

    def login(self) -> ResponseReturnValue:
        """Sets out to the provider. In a frame, where no cookie would come back, it asks for a tab of its own."""
        get_provider()
        next_path = safe_next(request.args.get("next"))
        if is_framed():
            return render_template("replit_auth/framed.html", next_path=next_path)
        try:
            return with_browser(redirect(set_out(next_path)))
        except Refused as refusal:
            return refused(refusal)

    def authorized(self) -> ResponseReturnValue:
        """Comes back from the provider: signs in, links, or says in one sentence why not."""
        get_provider()
        try:
            attempt, answer = take_answer()
            tokens = fetch_tokens(answer, attempt)
            claims = get_provider().check(tokens, attempt.nonce)
            return finish(attempt, claims, tokens)
        except Refused as refusal:
            return refused(refusal)


page = ReplitBlueprint(
    "replit_auth", __name__, login_url="/login", authorized_url="/authorized", storage=NullStorage, use_pkce=True
)


def set_out(next_path: str, *, user_id: int | None = None) -> str:
    """Begins a way to the provider; its address. `user_id` is who wants to link."""
    description = get_provider().describe()
    attempt = add_attempt(browser=browser_key(), next_path=next_path, peer=peer(), user_id=user_id)
    conversation = page.session
    conversation.scope = SCOPES
    page.authorization_url_params.update(
        code_challenge=conversation._client.create_code_challenge(attempt.verifier, "S256"),
        code_challenge_method="S256",
        nonce=attempt.nonce,
        prompt=PROMPT,
    )
    address, _state = conversation.authorization_url(
        description.authorization_endpoint, state=attempt.state, **page.authorization_url_params
    )
    return str(address)


def take_answer() -> tuple[Attempt, str]:
    """The way that the answer belongs to, used up, and the code that it brought; raises Refused."""
    given = request.args
    if any(len(values) > 1 for _, values in given.lists()):
        raise Refused("duplicate_parameter")
    if not given.get("state"):
        raise Refused("state_missing")
    attempt = take_attempt(given["state"], browser=request.cookies.get(browser_cookie(), ""))
    description = get_provider().describe()
    must_be_named = description.names_itself_in_answers or "iss" in given
    if must_be_named and given.get("iss") != description.issuer:
        raise Refused("answer_from_another_issuer")
    if "error" in given:
        is_persons = given["error"] in REFUSALS_OF_PEOPLE
        raise Refused("provider_refused_access" if is_persons else "provider_error")
    if not given.get("code"):
        raise Refused("code_missing")
    return attempt, given["code"]


def fetch_tokens(code: str, attempt: Attempt) -> Tokens:
    """Exchanges the code; raises Refused."""
    page.token_url_params["code_verifier"] = attempt.verifier
    endpoint = get_provider().describe().token_endpoint
    return asked_for_tokens(
        lambda: page.session.fetch_token(
            endpoint, code=code, include_client_id=True, timeout=TIMEOUT_SECONDS, **page.token_url_params
        )
    )


def fetch_fresh_tokens(refresh_token: str, identity: ReplitIdentity) -> Tokens:
    """New tokens for old; raises Refused. An id_token that comes with them must speak of the same person."""
    provider = get_provider()
    endpoint = provider.describe().token_endpoint
    tokens = asked_for_tokens(
        lambda: page.session.refresh_token(
            endpoint, refresh_token=refresh_token, client_id=provider.client_id, timeout=TIMEOUT_SECONDS
        )
    )
    if tokens.id_token is not None:
        claims = provider.check(tokens, None)
        if (claims.issuer, claims.subject) != (identity.issuer, identity.subject):
            raise Refused("id_token_of_another_person")
    return tokens


def finish(attempt: Attempt, claims: Claims, tokens: Tokens) -> ResponseReturnValue:
    """Signs in or links whoever came back; raises Refused."""
    if attempt.user_id is not None:
        if not current_user.is_authenticated or current_user.id != attempt.user_id:
            raise Refused("link_not_yours")
        link_identity(current_user, claims, peer=peer())
        flash(LINKED, "success")
        return redirect(attempt.next_path)
    identity = find_arrival(claims, peer=peer())
    if identity is None:
        keep_for_proof(attempt.id, claims)
        if not current_user.is_authenticated:
            flash("There is an account here with your address. Sign in to it, then link Replit to it.", "info")
        return redirect(url_for("replit_auth.link"))
    target = admit(get_user(identity.user_id), attempt.next_path, way="replit")
    if isinstance(session.get("token"), str):
        # Behind a second factor the session is opened later and lives by LUX's own limits, without these tokens.
        session["replit_due"] = int(save_tokens(session["token"], identity, tokens).timestamp())
    return redirect(target)


def refused(refusal: Refused) -> ResponseReturnValue:
    """The page that says why nobody was signed in; the reason goes into the audit trail."""
    signed_in = current_user._get_current_object() if current_user.is_authenticated else None
    actor = {"actor": signed_in.name, "user_id": signed_in.id} if signed_in else {}
    note_refusal(refusal, peer=peer(), **actor)
    body = render_template("replit_auth/refused.html", refusal=refusal)
    return body, refusal.status, {"Referrer-Policy": "no-referrer"}


def log_out() -> ResponseReturnValue:
    """Asks first (GET), then signs out here, and after that at the provider (POST)."""
    if request.method == "GET":
        return render_template("replit_auth/log_out.html")
    token = session.get("token")
    id_token = None
    if isinstance(token, str):
        id_token = find_id_token(token)
        add_audit_entry("signed_out", actor=current_user.name, user_id=current_user.id, peer=peer())
        end_session(token)
    session.clear()
    flash("You are signed out.", "info")
    try:
        address = end_session_address(id_token) if id_token and current_settings().repl_id else ""
    except Refused:
        flash("Replit does not answer: you may still be signed in there.", "warn")
        address = ""
    # Not a redirect: a form of ours may lead nowhere else (form-action 'self'), and browsers count redirects too.
    if address:
        return render_template("replit_auth/leaving.html", address=address, is_over=True)
    return redirect(url_for("sign_in.index"), 303)


def link() -> ResponseReturnValue:
    """Links the Replit account that came back on this browser to the account that has proved itself since."""
    get_provider()
    key = request.cookies.get(browser_cookie(), "")
    try:
        if request.method == "POST":
            link_proven(key, current_user, peer=peer())
            flash(LINKED, "success")
            return redirect("/", 303)
        claims = find_waiting_claims(key, current_user)
        if claims is None:
            raise Refused("link_expired")
    except Refused as refusal:
        return refused(refusal)
    return render_template("replit_auth/link.html", claims=claims)


def start_link() -> ResponseReturnValue:
    """Sends a signed-in person to Replit, to link the account that they have there."""
    try:
        address = set_out(url_for("settings.index"), user_id=current_user.id)
    except Refused as refusal:
        return refused(refusal)
    return with_browser(make_response(render_template("replit_auth/leaving.html", address=address, is_over=False)))


def unlink() -> ResponseReturnValue:
    """Forgets the signed-in person's Replit account."""
    try:
        unlink_identity(current_user, session_token=str(session.get("token")), peer=peer())
    except Refused as refusal:
        flash(refusal.detail, "danger")
    else:
        session.pop("replit_due", None)
        flash("Replit is unlinked. You sign in by e-mail and password now.", "success")
    return redirect(url_for("settings.index"), 303)


def keep_fresh() -> None:
    """Renews the provider's tokens once they have ended; a sign-in that was taken back there ends here too."""
    guard: Guard | None = current_app.config["GUARDS"].get(request.endpoint)
    if guard is None or not guard.uses_session or guard.name == "anyone":
        return
    due, token = session.get("replit_due"), session.get("token")
    if not isinstance(due, int) or not isinstance(token, str) or time.time() < due or not current_settings().repl_id:
        return
    try:
        next_due = refresh_tokens(token, fetch_fresh_tokens, peer=peer())
    except Refused as refusal:
        session.clear()
        flash(refusal.detail, "warn")
        return
    if next_due is None:
        session.pop("replit_due")
    else:
        session["replit_due"] = int(next_due.timestamp())


def allow_preview(response: Response) -> Response:
    """In development the provider's preview may frame the sign-in card, whose button opens a tab of its own."""
    settings = current_settings()
    is_card = request.endpoint in ("sign_in.index", "replit_auth.login")
    if is_card and settings.repl_id and not settings.is_production:
        policy: str = current_app.config["CONTENT_SECURITY_POLICY"]
        ancestors = f"frame-ancestors {origin_of(settings.issuer_url)}"
        response.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", ancestors)
    return response


class TemplateView:
    """What templates may ask about sign in with Replit; nothing is looked up before they do."""

    @property
    def is_on(self) -> bool:
        return bool(current_settings().repl_id)

    @property
    def is_framed(self) -> bool:
        return is_framed()

    @property
    def came_through(self) -> bool:
        """Whether this browser was signed in by Replit."""
        return "replit_due" in session

    @property
    def sign_out(self) -> str:
        """The view that signs this browser out: at both ends, if it came through Replit."""
        return "replit_auth.log_out" if self.came_through else "sign_in.sign_out"

    @cached_property
    def identity(self) -> ReplitIdentity | None:
        return find_identity_of(current_user.id)

    @cached_property
    def identities(self) -> dict[int, ReplitIdentity]:
        return list_identities()


def offer_view() -> dict[str, object]:
    return {"replit": TemplateView()}


def end_session_address(id_token: str) -> str:
    """Where the provider signs somebody out; it sends them back to the address that is registered there."""
    provider = get_provider()
    return_to = current_settings().lux_public_url + "/"
    return provider.describe().end_session_url(id_token=id_token, client_id=provider.client_id, return_to=return_to)


def own_address(endpoint: str) -> str:
    """An address of LUX as the outside sees it: by the settings, never by the Host header."""
    return current_settings().lux_public_url + url_for(endpoint)


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    return "/".join(url.split("/")[:3])


def is_framed() -> bool:
    """Whether the browser says that it shows this page within another one."""
    return request.headers.get("Sec-Fetch-Dest") in FRAMES


def browser_cookie() -> str:
    """The name of the cookie that binds a way to the browser that set out."""
    return "__Host-lux-replit" if current_settings().lux_public_url.startswith("https://") else "lux-replit"


def browser_key() -> str:
    """What the cookie holds; several ways of one browser share it."""
    given = request.cookies.get(browser_cookie(), "")
    if "replit_browser" not in g:
        g.replit_browser = given if len(given) == 43 else secrets.token_urlsafe(32)
    key: str = g.replit_browser
    return key


def with_browser(response: Response) -> Response:
    """The response with the browser's cookie."""
    name = browser_cookie()
    is_secure = name.startswith("__Host-")
    response.set_cookie(
        name, browser_key(), max_age=BROWSER_COOKIE_SECONDS, secure=is_secure, httponly=True, samesite="Lax", path="/"
    )
    return response


page.add_url_rule("/replit-logout", view_func=log_out, methods=["GET", "POST"])
page.add_url_rule("/link", view_func=link, methods=["GET", "POST"])
page.add_url_rule("/link/start", view_func=start_link, methods=["POST"])
page.add_url_rule("/unlink", view_func=unlink, methods=["POST"])
page.before_app_request(keep_fresh)
page.after_app_request(allow_preview)
page.app_context_processor(offer_view)
