#!/usr/bin/env python3
"""Judging clients against one server: ours, FastChat's, instructlab-eval's; and a kill.

    python benchmarks/judge/bench.py [--fschat PYTHON] [--ilab PYTHON] [--judgements 1600]

Each client runs in its own process against a fresh server (`server.py`) and grades the same
single-turn answers. The peers' pythons have the peers installed (`fschat==0.2.36` with `openai<1`,
`instructlab-eval==0.6.0`); a peer whose python is not given is left out. Prints one JSON line each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: FastChat takes its prompts from a file; ours and instructlab-eval's are of a like length.
PROMPT_NAMES = ("single-v1", "single-math-v1", "single-v1-multi-turn", "single-math-v1-multi-turn")
PROMPT = {
    "type": "single",
    "system_prompt": "You are a helpful assistant. " * 20,
    "prompt_template": 'Rate the answer from 1 to 10, as "Rating: [[5]]".\n\n'
    "[Question]\n{question}\n\n[Answer]\n{answer}\n[End of answer]",
    "description": "",
    "category": "general",
    "output_format": "[[rating]]",
}


@contextmanager
def fresh_server() -> Iterator[str]:
    """A server of its own for each client; yields its address."""
    more = ["--median-s", os.environ.get("BENCH_MEDIAN_S", "0.3")]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), "--port", str(port), *more]
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                stats(address)
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def stats(address: str) -> dict[str, Any]:
    """What the server saw."""
    with urllib.request.urlopen(f"{address}/stats", timeout=10) as reply:
        found: dict[str, Any] = json.loads(reply.read())
    return found


def ours(folder: Path, count: int, address: str) -> list[str]:
    """Our verb, with the inputs that it needs."""
    sys.path.insert(0, str(ROOT / "workflow"))
    from babelmix.io import write_records
    from babelmix.records import Answer, Question

    questions = [Question(f"{i:05}", "en", "writing", [f"Question {i}?"]) for i in range(count)]
    answers = [
        Answer(q.question_id, "en", "writing", 1, "m", q.turns[0], words(i), "stop", 1, 1, "")
        for i, q in enumerate(questions)
    ]
    write_records(folder / "q.parquet", questions, Question)
    write_records(folder / "a.parquet", answers, Answer)
    judge = {"engine": "openai", "model": "judge", "base_url": f"{address}/v1"}
    spec = {"version": 1, "run": "m", "benchmark": "b", "languages": ["en"], "protocol": "single"}
    spec |= {"judge_name": "j", "judge": judge, "baseline": None, "all_languages": ["en"]}
    verb = [sys.executable, "-m", "babelmix", "judge-single", "--spec", json.dumps(spec)]
    verb += ["--answers", "a.parquet", "--questions", "q.parquet", "--journal", "j.jsonl"]
    return [*verb, "--output", "out.parquet"]


def words(number: int) -> str:
    """An answer of some 150 words."""
    return f"Answer {number}. " + "It says what is asked for, and a little more than that. " * 12


def fastchat_files(folder: Path, count: int) -> None:
    """FastChat's data folder: questions, answers, prompts."""
    data = folder / "data" / "mt_bench"
    for name in ("model_answer", "reference_answer", "model_judgment"):
        (data / name).mkdir(parents=True)
    lines(data / "question.jsonl", ({"question_id": i, "category": "writing", "turns": [f"Q {i}?"]}
                                    for i in range(count)))  # fmt: skip
    answers = (
        {"question_id": i, "answer_id": str(i), "model_id": "m", "tstamp": 1.0,
         "choices": [{"index": 0, "turns": [words(i)]}]}
        for i in range(count)
    )  # fmt: skip
    lines(data / "model_answer" / "m.jsonl", answers)
    lines(data / "reference_answer" / "gpt-4.jsonl", iter(()))
    lines(folder / "prompts.jsonl", (PROMPT | {"name": name} for name in PROMPT_NAMES))


def lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run_peer(script: str, python: str, folder: Path, count: int, address: str) -> int:
    """One peer by its driver; returns the judgements that it ended with."""
    fastchat_files(folder, count)
    shutil.copy(HERE / script, folder / script)
    env = os.environ | {"OPENAI_API_KEY": "x", "OPENAI_API_BASE": f"{address}/v1"}
    env.pop("PYTHONPATH", None)
    subprocess.run([python, script, f"{address}/v1"], cwd=folder, env=env, check=False,
                   input=b"\n", stdout=subprocess.DEVNULL, timeout=1500)  # fmt: skip
    place = folder / "judgments.jsonl"
    rows = [json.loads(x) for x in place.read_text().splitlines()] if place.exists() else []
    return sum(row.get("score", -1) != -1 for row in rows)


def report(client: str, count: int, address: str, held: int, wall: float) -> None:
    """One line: what it took and what came of it. ``share_of_limit`` is of the server's time."""
    found = stats(address)
    found |= {"client": client, "process_s": wall, "lost": count - held}
    found["share_of_limit"] = found["ideal_s"] / max(found["wall_s"], 1e-9)
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}))
    sys.stdout.flush()


def judged(folder: Path) -> int:
    """Scored judgements that our verb wrote."""
    import pyarrow.parquet as pq

    scores = pq.read_table(folder / "out.parquet", columns=["score"])["score"]
    return len(scores) - scores.null_count


def bench_ours(count: int) -> None:
    """Our verb, undisturbed."""
    with tempfile.TemporaryDirectory() as name, fresh_server() as address:
        folder = Path(name)
        command = ours(folder, count, address)
        start = time.monotonic()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        report("babelmix", count, address, judged(folder), time.monotonic() - start)


def bench_killed(count: int) -> None:
    """Our verb killed (SIGKILL) when half is answered, and started again."""
    with tempfile.TemporaryDirectory() as name, fresh_server() as address:
        folder = Path(name)
        command = ours(folder, count, address)
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        while stats(address)["answered"] < count // 2 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = len((folder / "j.jsonl").read_bytes().splitlines())
        time.sleep(5.0)  # the server finishes what it was asked
        at_kill = stats(address)
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        report("babelmix, killed and resumed", count, address, judged(folder),
               time.monotonic() - start)  # fmt: skip
        print(json.dumps({"kept_at_kill": kept, "answered_at_kill": at_kill["answered"],
                          "under_way_at_kill": at_kill["answered"] - kept}))  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--judgements", type=int, default=1600)
    parser.add_argument("--times", type=int, default=1, help="runs of ours")
    parser.add_argument("--fschat", help="python that has fschat")
    parser.add_argument("--ilab", help="python that has instructlab-eval")
    parser.add_argument("--median-s", default="0.3", help="the server's median latency, seconds")
    args = parser.parse_args()
    os.environ["BENCH_MEDIAN_S"] = args.median_s
    for _ in range(args.times):
        bench_ours(args.judgements)
    for name, script, python in (
        ("fschat", "run_fschat.py", args.fschat),
        ("instructlab-eval", "run_ilab.py", args.ilab),
    ):
        if python:
            with tempfile.TemporaryDirectory() as folder, fresh_server() as address:
                start = time.monotonic()
                held = run_peer(script, python, Path(folder), args.judgements, address)
                report(name, args.judgements, address, held, time.monotonic() - start)
    bench_killed(args.judgements)


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(ROOT / "workflow")
    main()
