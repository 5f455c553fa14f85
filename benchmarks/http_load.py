"""A load of HTTP posts over kept connections, as plain as it can be so that the server is what gets measured."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What a load did: posts a second, the median and the 99th percentile in milliseconds, and the statuses."""

    rate: float
    median_ms: float
    p99_ms: float
    statuses: Counter[int]


def post_many(
    port: int, path: str, count: int, body_of: Callable[[int], bytes], *, connections: int = 16, headers: str = ""
) -> Load:
    """Posts `count` bodies over so many connections, each waiting for its answer."""
    numbers = itertools.count()
    statuses: Counter[int] = Counter()
    seconds: list[float] = []
    lock = threading.Lock()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{headers}"

    def run() -> None:
        own: list[tuple[int, float]] = []
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (number := next(numbers)) < count:
                body = body_of(number)
                request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
                began = time.perf_counter()
                link.sendall(request)
                own.append((read_status(link), time.perf_counter() - began))
        with lock:
            statuses.update(status for status, _ in own)
            seconds.extend(took for _, took in own)

    threads = [threading.Thread(target=run) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    seconds.sort()
    return Load(
        rate=len(seconds) / took,
        median_ms=seconds[len(seconds) // 2] * 1000,
        p99_ms=seconds[int(len(seconds) * 0.99)] * 1000,
        statuses=statuses,
    )


def read_status(link: socket.socket) -> int:
    """Reads one answer with a Content-Length to its end; its status."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = link.recv(65536)
        if not more:
            raise ConnectionError(data)
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += link.recv(65536)
    return int(head[9:12])
