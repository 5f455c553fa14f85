"""What each request adds to the metrics, and which requests this process has under way."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from flask import Flask, current_app, g, request
from werkzeug.wrappers import Response

from lib.probe_mark import PROBE_KEY
from lib.shared_counters import SharedCounters

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STATUS_CLASSES = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")
# What no rule of the map fits: strangers choose such paths, so they share one label.
NO_ROUTE = "(none)"
ALSO_COUNTED = "lux_also_counted"


class UnderWay(NamedTuple):
    """A request whose answer has not begun yet."""

    thread_id: int
    started: float
    method: str
    route: str


class Traffic:
    """The requests of one process."""

    def __init__(self, counters: SharedCounters) -> None:
        self._counters = counters
        self._under_way: dict[int, UnderWay] = {}

    def begin(self) -> None:
        """Notes that a request has begun on this thread; LUX's own probes are no traffic."""
        if PROBE_KEY in request.environ:
            return
        rule = request.url_rule
        route = rule.rule if rule is not None else NO_ROUTE
        thread_id = threading.get_ident()
        self._under_way[thread_id] = UnderWay(thread_id, time.monotonic(), request.method, route)

    def end(self, response: Response) -> Response:
        """Counts the request, now that its answer begins."""
        one = self._under_way.pop(threading.get_ident(), None)
        if one is not None:
            method = one.method if one.method in METHODS else "other"
            status = STATUS_CLASSES[min(response.status_code // 100, 5)]
            seconds = time.monotonic() - one.started
            counted = [("lux_requests_total", one.route, method, status), *g.get(ALSO_COUNTED, ())]
            self._counters.observe("lux_request_duration_seconds", one.route, value=seconds, counted=counted)
        return response

    def forget(self, _error: BaseException | None = None) -> None:
        """The request is over, however it ended."""
        self._under_way.pop(threading.get_ident(), None)

    def list_stuck(self, longer_than_seconds: float) -> list[UnderWay]:
        """The requests that have waited longer than that for their answer to begin, the longest first."""
        latest = time.monotonic() - longer_than_seconds
        stuck = [one for one in list(self._under_way.values()) if one.started < latest]
        return sorted(stuck, key=lambda one: one.started)


def init_traffic(app: Flask, counters: SharedCounters) -> None:
    """Attaches the counting to every request of the app."""
    traffic = Traffic(counters)
    app.extensions["lux_traffic"] = traffic
    app.before_request(traffic.begin)
    app.after_request(traffic.end)
    app.teardown_request(traffic.forget)


def count_with_answer(name: str, *labels: str) -> None:
    """Adds to a counter once the answer begins, together with the request's own figures: cheaper than alone."""
    g.setdefault(ALSO_COUNTED, []).append((name, *labels))


def traffic() -> Traffic:
    """The traffic of the app that is running now."""
    found: Traffic = current_app.extensions["lux_traffic"]
    return found
