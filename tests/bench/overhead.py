"""Our own overhead: 67,017 rows through the identity backend, against `datasets.map` copying them.

    python -m tests.bench.overhead --data DATA [--rows 67017] [--profile]

Rows are real Alpaca and Dolly rows, repeated under new ids. Each measure is a process of its own;
processor time is given beside wall time, for machines that are busy. `datasets` is needed for the
second measure only.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from babelmix.io import read_records, write_records
from babelmix.records import Conversation, Message
from babelmix.specs import CollectSpec, TranslateSpec

FILES = ("alpaca/alpaca_5k.alpagasus_claude_t45.json", "dolly/dolly_3k.alpagasus.json")


def make_rows(data: Path, n_rows: int) -> list[Conversation]:
    """Two messages a row: the instruction with its input, and the answer."""
    found = [row for name in FILES for row in json.loads((data / name).read_text("utf-8"))]
    rows = []
    for number in range(n_rows):
        raw = found[number % len(found)]
        asked = "\n\n".join(t for t in (raw["instruction"], raw.get("input", "")) if t)
        messages = [Message("user", asked), Message("assistant", raw["output"] or "-")]
        rows.append(Conversation(f"row-{number}", "en", "d", "s", messages))
    return rows


def ours(pivot: Path, out: Path, audited: bool) -> dict[str, Any]:
    """Both verbs' work: read, cut, mask, prove, put together, audit, write."""
    from babelmix.translate.collect import audit_rows
    from babelmix.translate.shard import translate_shard

    given = {"version": 1, "dataset": "d", "lang": "de", "pivot": "en", "shard": 0, "shards": 1}
    given |= {"translator_name": "identity", "translator": {"backend": "identity"}}
    rows = read_records(pivot, Conversation)
    made, manifest = translate_shard(rows, TranslateSpec.model_validate(given), str(out / "j"))
    if audited:
        collected = {"version": 1, "dataset": "d", "lang": "de", "pivot": "en"}
        collected |= {"on_failed_check": "keep"}
        audit_rows(rows, made, CollectSpec.model_validate(collected))
    write_records(out / "ours.parquet", made, Conversation)
    same = all(a.messages == b.messages for a, b in zip(rows, made, strict=True))
    return {"characters": manifest["characters"], "texts": manifest["texts"], "same_text": same}


def copied(pivot: Path, out: Path) -> dict[str, Any]:
    """`datasets.map` with a function that changes nothing."""
    import datasets

    datasets.disable_progress_bars()
    table = datasets.Dataset.from_parquet(str(pivot), cache_dir=str(out / "cache"))
    table.map(lambda row: row, load_from_cache_file=False).to_parquet(str(out / "copied.parquet"))
    return {}


def child(args: argparse.Namespace) -> None:
    """One measure, printed as JSON."""
    profile = cProfile.Profile() if args.profile else None
    began, cpu = time.monotonic(), time.process_time()
    if profile:
        profile.enable()
    if args.what == "copy":
        seen = copied(args.pivot, args.out)
    else:
        seen = ours(args.pivot, args.out, audited=args.what == "ours")
    if profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(35)
    seen |= {
        "what": args.what,
        "rows": args.rows,
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    seen["rows_per_cpu_s"] = round(args.rows / seen["cpu_s"])
    print(json.dumps(seen), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=67_017)
    parser.add_argument("--out", type=Path, default=Path("work/overhead"))
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--what", choices=["all", "ours", "unaudited", "copy"], default="all")
    args = parser.parse_args()
    args.pivot = args.out / f"pivot-{args.rows}.parquet"
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.pivot.exists():
        write_records(args.pivot, make_rows(args.data, args.rows), Conversation)
    if args.what != "all":
        child(args)
        return
    for what in ("ours", "unaudited", "copy"):
        call = [sys.executable, "-m", "tests.bench.overhead", "--what", what]
        call += ["--data", str(args.data), "--rows", str(args.rows), "--out", str(args.out)]
        subprocess.run(call, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
