"""A server that speaks OpenAI's chat completions over real HTTP, and misbehaves on request.

with OpenAIServer() as server:
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
    server.answers = [{"subjects": [...]}]      # what it says, in order; the last one again and again
    server.moods = ["rate_limited", "ok"]       # how it behaves, in order; "ok" afterwards
    server.requests                             # the bodies that came
    server.holds_after = 3                      # says no more than three pieces until server.released.set()
    server.answers = [{"text": "", "tool_calls": [{"name": "health", "arguments": "{}"}]}, "All is well."]
    server.answers = [obey]                     # tests/fakes/obedient.py: does whatever it reads
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

KEY = "sk-test-7f3a9c51d2e84b60a1c7"
GOOD_CAMPAIGN: dict[str, Any] = {
    "name": "Spring tea, first flush",
    "subjects": ["The first flush is here", "Fresh from the spring harvest", "Your spring tea is ready"],
    "preheader": "Picked in March, packed last week, and yours before the summer.",
    "blocks": [
        {"kind": "heading", "text": "The first flush is here", "label": "", "url": ""},
        {
            "kind": "text",
            "text": "Hello {{first_name|there}},\n\nour first spring tea has arrived. It is light, green and a little "
            "sweet, and there is enough of it for the people who read this.",
            "label": "",
            "url": "",
        },
        {"kind": "button", "text": "", "label": "See the spring tea", "url": "LINK"},
        {"kind": "text", "text": "Thank you for reading,\nthe people at Lumen Tea", "label": "", "url": ""},
    ],
}

Say = str | dict[str, Any] | Callable[[dict[str, Any]], "str | dict[str, Any]"]


class OpenAIServer:
    """Stands on a free port of the loopback from `with` to its end."""

    def __init__(self, *, piece_delay_seconds: float = 0.0, piece_size: int = 24) -> None:
        self.key = KEY
        self.answers: list[Say] = []
        self.moods: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.piece_delay_seconds = piece_delay_seconds
        self.piece_size = piece_size
        self.holds_after: int | None = None
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self._server.daemon_threads = True
        self._server.request_queue_size = 1024
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> OpenAIServer:
        self._server.socket.listen(1024)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: dict[str, Any]) -> tuple[str, str]:
        """Notes a request; returns how to behave and what to say."""
        with self._lock:
            self.requests.append(body)
            mood = self.moods.pop(0) if self.moods else "ok"
            say: Say | None = None
            if self.answers and mood in ANSWERING:
                say = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(say):
            say = say(body)
        if say is None:
            say = _default_answer(body)
        return mood, say if isinstance(say, str) else json.dumps(say)


ANSWERING = {"ok", "no_tools", "no_usage", "half_stream", "no_finish", "slow", "error_in_stream", "cut"}
ERRORS: dict[str, tuple[int, dict[str, Any], dict[str, str]]] = {
    "unauthorized": (
        401,
        {"message": f"Incorrect API key provided: {KEY}.", "type": "invalid_request_error", "code": "invalid_api_key"},
        {},
    ),
    "rate_limited": (
        429,
        {"message": "Rate limit reached for requests", "type": "requests", "code": "rate_limit_exceeded"},
        {"Retry-After": "0"},
    ),
    "no_quota": (
        429,
        {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"},
        {},
    ),
    "unknown_model": (
        404,
        {"message": "The model does not exist", "type": "invalid_request_error", "code": "model_not_found"},
        {},
    ),
    "server_error": (500, {"message": "The server had an error", "type": "server_error", "code": None}, {}),
    "overloaded": (503, {"message": "Overloaded", "type": "server_error", "code": None}, {}),
    "bad_request": (400, {"message": "Something is wrong with this", "type": "invalid_request_error"}, {}),
}


def _default_answer(body: dict[str, Any]) -> str:
    shape = body.get("response_format", {}).get("json_schema", {}).get("name")
    if shape == "email_crm_campaign":
        return json.dumps(good_campaign(body))
    return "{}" if "response_format" in body else "Hello from the test model."


def good_campaign(body: dict[str, Any]) -> dict[str, Any]:
    """A good campaign whose button leads to the first address that the prompt allows."""
    told = "\n".join(str(message["content"]) for message in body["messages"])
    start = told.find("allowed_links")
    start = told.find("http", start if start >= 0 else 0)
    link = told[start:].split('"')[0].split()[0] if start >= 0 else ""
    return json.loads(json.dumps(GOOD_CAMPAIGN).replace('"LINK"', json.dumps(link)))  # type: ignore[no-any-return]  # our own JSON


def _make_handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: the tests look at `requests`."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/chat/completions":
                self._error(404, {"message": "Unknown address", "type": "invalid_request_error"}, {})
                return
            mood, answer = server.take(body)
            if self.headers.get("Authorization") != f"Bearer {server.key}":
                mood = "unauthorized"
            if mood == "no_json_schema":
                wanted = body.get("response_format", {}).get("type")
                if wanted == "json_schema":
                    complaint = "response_format json_schema is not supported by this server"
                    self._error(400, {"message": complaint, "type": "invalid_request_error"}, {})
                    return
            if mood == "no_tools" and "tools" in body:
                complaint = "tools are not supported by this server"
                self._error(400, {"message": complaint, "type": "invalid_request_error"}, {})
                return
            if mood in ERRORS:
                self._error(*ERRORS[mood])
            elif mood == "hang":
                server.released.wait(120)
            elif mood == "hang_up":
                self.close_connection = True
            elif mood == "html":
                self._send(200, "text/html", b"<html><body>A proxy's welcome page</body></html>", {})
            else:
                self._stream(body, mood, answer)

        def _error(self, status: int, error: dict[str, Any], headers: dict[str, str]) -> None:
            self._send(status, "application/json", json.dumps({"error": error}).encode(), headers)

        def _send(self, status: int, content_type: str, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": content_type, "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, body: dict[str, Any], mood: str, answer: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for event in self._events(body, mood, answer):
                    self._write(event)
                if mood not in ("half_stream",):
                    self._write("data: [DONE]\n\n")
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _write(self, event: str) -> None:
            data = event.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def _events(self, body: dict[str, Any], mood: str, answer: str) -> Iterator[str]:
            if mood == "drip":
                while not server.released.wait(0.05):
                    yield ": still thinking\n\n"
                return
            if mood == "refusal":
                yield _chunk({"refusal": "I cannot help with that."}, "stop")
                return
            finish = "stop"
            if answer.startswith('{"text": ') and '"tool_calls": ' in answer:
                wanted = json.loads(answer)
                answer, finish = wanted["text"], "tool_calls"
                for index, call in enumerate(wanted["tool_calls"]):
                    # As the real one does: the name first, then the arguments in pieces.
                    function = {"name": call["name"], "arguments": ""}
                    yield _chunk({"tool_calls": [{"index": index, "id": f"call_{index}", "function": function}]}, None)
                    for half in (call["arguments"][:1], call["arguments"][1:]):
                        yield _chunk({"tool_calls": [{"index": index, "function": {"arguments": half}}]}, None)
            pieces = [answer[i : i + server.piece_size] for i in range(0, len(answer), server.piece_size)]
            if mood in ("half_stream", "error_in_stream", "stall", "cut"):
                pieces = pieces[: max(1, len(pieces) // 2)]
            for number, piece in enumerate(pieces):
                if number == server.holds_after:
                    server.released.wait(120)
                yield _chunk({"content": piece}, None)
                if server.piece_delay_seconds:
                    time.sleep(server.piece_delay_seconds)
            if mood == "stall":
                server.released.wait(120)
            if mood == "error_in_stream":
                yield "data: " + json.dumps({"error": {"message": "overloaded", "type": "server_error"}}) + "\n\n"
                return
            if mood == "half_stream":
                return
            if mood != "no_finish":
                yield _chunk({}, "length" if mood == "cut" else finish)
            if mood != "no_usage" and body.get("stream_options", {}).get("include_usage"):
                told = sum(len(str(message.get("content"))) for message in body["messages"])
                usage = {"prompt_tokens": told // 4, "completion_tokens": len(answer) // 4}
                yield _chunk(None, None, usage={**usage, "total_tokens": sum(usage.values())})

    return Handler


def _chunk(delta: dict[str, Any] | None, finish: str | None, usage: dict[str, int] | None = None) -> str:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk: dict[str, Any] = {
        "id": "chatcmpl-test",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "choices": choices,
    }
    if usage is not None:
        chunk["usage"] = usage
    return f"data: {json.dumps(chunk)}\n\n"
