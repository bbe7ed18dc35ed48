#!/usr/bin/env python3
"""A judge that costs time and refuses: for comparing clients, on loopback, standard library only.

Chat completions with a log-normal latency (median 300 ms, sigma 0.5: one in a hundred over 0.96 s),
64 at once, HTTP 429 beyond, 1 % HTTP 500 (after their latency). Latencies and errors are drawn from
a seed in the order of arrival: every client meets the same server. `GET /stats` tells what
happened: calls taken, refused, failed, answered, answered twice, and how long a client without any
idle place would have needed for the calls taken.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import math
import random
import time
from collections import Counter

BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "judge",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Clear and right.\n\nRating: [[7]]"},
            }
        ],
        "usage": {"prompt_tokens": 400, "completion_tokens": 12, "total_tokens": 412},
    }
).encode()


class Judge:
    """The server's state and its draws."""

    def __init__(self, median_s: float, capacity: int, error_share: float, seed: int) -> None:
        self.median_s = median_s
        self.capacity = capacity
        self.error_share = error_share
        self.draw = random.Random(seed)
        self.at_work = self.most = self.refused = self.failed = 0
        self.latencies: list[float] = []
        self.answered: Counter[bytes] = Counter()
        self.started = self.ended = 0.0

    async def answer(self, body: bytes) -> tuple[int, bytes]:
        """Status and body for one request."""
        now = time.monotonic()
        self.started = self.started or now
        if self.at_work >= self.capacity:
            self.refused += 1
            return 429, b'{"error": {"message": "too many at once", "code": "rate_limit"}}'
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        latency = self.median_s * math.exp(self.draw.gauss(0.0, 0.5))
        fails = self.draw.random() < self.error_share
        self.latencies.append(latency)
        await asyncio.sleep(latency)
        self.at_work -= 1
        self.ended = time.monotonic()
        if fails:
            self.failed += 1
            return 500, b'{"error": {"message": "our fault"}}'
        # What is asked for, whatever else the client sends along.
        self.answered[json.dumps(json.loads(body)["messages"]).encode()] += 1
        return 200, BODY

    def ideal(self) -> float:
        """Seconds in which the taken calls fit, one after the other, into all the places."""
        places = [0.0] * self.capacity
        for latency in self.latencies:
            heapq.heapreplace(places, places[0] + latency)
        return max(places)

    def stats(self) -> bytes:
        """What happened so far."""
        return json.dumps(
            {
                "calls": len(self.latencies) + self.refused,
                "taken": len(self.latencies),
                "refused": self.refused,
                "failed": self.failed,
                "answered": sum(self.answered.values()),
                "different": len(self.answered),
                "answered_twice": sum(n - 1 for n in self.answered.values()),
                "most_at_once": self.most,
                "wall_s": self.ended - self.started,
                "ideal_s": self.ideal(),
                "work_s": sum(self.latencies) / self.capacity,
            }
        ).encode()


async def connection(
    judge: Judge, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """HTTP/1.1 with keep-alive, as far as such clients need it."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = await reader.readexactly(length)
            if head.startswith(b"GET"):
                status, answer = 200, judge.stats()
            else:
                status, answer = await judge.answer(body)
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                % (status, len(answer))
                + answer
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
        writer.close()


async def serve(args: argparse.Namespace) -> None:
    """Serve until the time is up."""
    judge = Judge(args.median_s, args.capacity, args.error_share, args.seed)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await connection(judge, reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", args.port, backlog=512)
    async with server:
        await asyncio.sleep(args.minutes * 60)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--port", type=int, default=8391)
    parser.add_argument("--median-s", type=float, default=0.3)
    parser.add_argument("--capacity", type=int, default=64)
    parser.add_argument("--error-share", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=20.0)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
