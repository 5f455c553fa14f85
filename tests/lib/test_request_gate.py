"""The gate: so many requests at once and no more, each turn given back once, held streams and probes beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from lib.probe_mark import PROBE_KEY
from lib.request_gate import RequestGate, leave_gate
from tests.servers import wait_until


class Application:
    """Requests that stay until they are let go; notes how many there are at once."""

    def __init__(self) -> None:
        self.inside = 0
        self.go_on = threading.Event()

    def __call__(self, environ: dict[str, Any], _start_response: Any) -> Iterable[bytes]:
        if environ.get("fails"):
            raise ValueError
        self.inside += 1
        if environ.get("streams"):
            leave_gate(environ)
        self.go_on.wait(10)
        return [b"done"]


def ask(gate: RequestGate, **environ: Any) -> threading.Thread:
    def run() -> None:
        answer = gate(dict(environ), None)
        assert list(answer) == [b"done"]
        answer.close()  # type: ignore[attr-defined]  # what the gate gives can be closed

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_so_many_work_at_once_and_the_next_one_follows() -> None:
    application = Application()
    gate = RequestGate(application, 2)
    threads = [ask(gate) for _ in range(5)]
    wait_until(lambda: application.inside == 2, "two")
    assert not gate._turns.acquire(blocking=False), "the third waits"
    application.go_on.set()
    for thread in threads:
        thread.join(10)
    assert application.inside == 5
    assert gate._turns._value == 2, "each turn was given back once"


def test_a_held_stream_and_a_probe_take_no_turn_from_others() -> None:
    application = Application()
    gate = RequestGate(application, 1)
    threads = [ask(gate, streams=True), ask(gate, streams=True), ask(gate, **{PROBE_KEY: True}), ask(gate)]
    wait_until(lambda: application.inside == 4, "all of them")
    application.go_on.set()
    for thread in threads:
        thread.join(10)
    assert gate._turns._value == 1


def test_a_request_that_fails_gives_its_turn_back() -> None:
    gate = RequestGate(Application(), 1)
    for _ in range(2):
        with pytest.raises(ValueError):
            gate({"fails": True}, None)


def test_a_file_goes_to_the_server_as_it_is() -> None:
    class File(list[bytes]):
        pass

    file = File([b"x"])
    gate = RequestGate(lambda _environ, _start: file, 1)
    for _ in range(2):
        assert gate({"wsgi.file_wrapper": File}, None) is file
