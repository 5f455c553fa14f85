"""What a receiver meets: tracked links, the pixel, leaving in one click, preferences, the message in the browser.

No session, no cookie, no sign-in. A token that LUX did not sign gets the same answer as one that never was.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, redirect, request
from flask.typing import ResponseReturnValue

from access import peer, wants_privacy
from campaigns.confirmations import confirm, decline, find_question
from campaigns.mail_links import CLICK_PATH, CONFIRM_PATH, OPEN_PATH, PREFERENCES_PATH, UNSUBSCRIBE_PATH, VIEW_PATH
from campaigns.preferences import find_preferences, subscribe_again
from campaigns.tracking import PIXEL, record_click, record_open, render_in_browser, unsubscribe
from campaigns.visits import Visit
from lib.isolated_page import isolating_headers

page = Blueprint("public", __name__)

# Each address is named twice: the path converter, which takes slashes, does not take a line break.
PRIVATE = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cache-Control": "no-store",
}
PURPOSE_HEADERS = ("Sec-Purpose", "Purpose", "X-Moz", "X-Purpose")


@page.get(f"{CLICK_PATH}<token>")
@page.get(f"{CLICK_PATH}<path:token>")
def click(token: str) -> ResponseReturnValue:
    """Notes the click and leads on. The target comes from the store, whatever the address says besides."""
    target = record_click(token, _visit())
    return _private(redirect(target, 302)) if target else _gone()


@page.get(f"{OPEN_PATH}<token>")
@page.get(f"{OPEN_PATH}<path:token>")
def opened(token: str) -> ResponseReturnValue:
    """Notes that the message was opened."""
    if not record_open(token, _visit()):
        return _gone()
    return _private(Response(PIXEL, mimetype="image/gif"))


@page.get(f"{VIEW_PATH}<token>")
@page.get(f"{VIEW_PATH}<path:token>")
def view(token: str) -> ResponseReturnValue:
    """The message as a page of its own, isolated like the preview."""
    html = render_in_browser(token, _visit())
    if html is None:
        return _gone()
    response = _private(Response(html, mimetype="text/html"))
    response.headers.update(isolating_headers(has_images=True))
    return response


@page.get(f"{UNSUBSCRIBE_PATH}<token>")
@page.get(f"{UNSUBSCRIBE_PATH}<path:token>")
def ask(token: str) -> ResponseReturnValue:
    """Asks for one press of a button: mail scanners open links, so opening one changes nothing."""
    preferences = find_preferences(token)
    return _page("unsubscribe", token=token, preferences=preferences) if preferences else _gone()


@page.post(f"{UNSUBSCRIBE_PATH}<token>")
@page.post(f"{UNSUBSCRIBE_PATH}<path:token>")
def leave(token: str) -> ResponseReturnValue:
    """Unsubscribes at once: the mail client's one click (RFC 8058) and the button of the page."""
    is_one_click = request.form.get("List-Unsubscribe", "").lower() == "one-click"
    if unsubscribe(token, method="one_click" if is_one_click else "page") is None:
        return _gone()
    return _page("left", token=token, preferences=find_preferences(token))


@page.get(f"{PREFERENCES_PATH}<token>")
@page.get(f"{PREFERENCES_PATH}<path:token>")
def preferences(token: str) -> ResponseReturnValue:
    """Whether this person gets more, and the buttons to change that."""
    found = find_preferences(token)
    return _page("preferences", token=token, preferences=found) if found else _gone()


@page.post(f"{PREFERENCES_PATH}<token>")
@page.post(f"{PREFERENCES_PATH}<path:token>")
def change(token: str) -> ResponseReturnValue:
    """Leaves or comes back, as the pressed button says."""
    wish = request.form.get("wish", "")
    if wish == "leave":
        found = unsubscribe(token, method="page") and find_preferences(token)
    elif wish == "return":
        found = subscribe_again(token)
    else:
        found = find_preferences(token)
    return (
        _page("preferences", token=token, preferences=found, is_changed=wish in ("leave", "return"))
        if found
        else _gone()
    )


@page.get(f"{CONFIRM_PATH}<token>")
@page.get(f"{CONFIRM_PATH}<path:token>")
def question(token: str) -> ResponseReturnValue:
    """Asks a new contact for their own yes: mail scanners open links, so opening one changes nothing."""
    found = find_question(token)
    return _page("confirm", token=token, preferences=found) if found else _gone()


@page.post(f"{CONFIRM_PATH}<token>")
@page.post(f"{CONFIRM_PATH}<path:token>")
def answer(token: str) -> ResponseReturnValue:
    """Takes the yes or the no, as the pressed button says."""
    said = request.form.get("answer", "")
    act = {"yes": confirm, "no": decline}.get(said, find_question)
    found = act(token)
    return _page("confirm", token=token, preferences=found) if found else _gone()


def _visit() -> Visit:
    purpose = next((request.headers[name] for name in PURPOSE_HEADERS if request.headers.get(name)), "")
    return Visit(
        method=request.method,
        user_agent=request.user_agent.string[:500],
        peer=peer(),
        purpose=purpose[:100],
        wants_privacy=wants_privacy(),
    )


def _gone() -> Response:
    """One answer for everything unknown: cut, changed, foreign and never signed look the same."""
    response = _page("gone")
    response.status_code = 404
    return response


def _page(name: str, **values: object) -> Response:
    """Rendered without the app's context processors: those read the session, and these pages have none."""
    template = current_app.jinja_env.get_template(f"public/{name}.html")
    return _private(Response(template.render(**values), mimetype="text/html"))


def _private(response: Response | object) -> Response:
    assert isinstance(response, Response)  # noqa: S101 - Flask's redirect gives its own Response
    response.headers.update(PRIVATE)
    return response
