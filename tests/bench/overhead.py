"""Our own overhead: 67,017 rows through the identity backend, against `datasets.map` copying them.

And beside a real backend: some of the rows through Apertium, its processor time and ours.

    python -m tests.bench.overhead --data DATA [--rows 67017] [--profile]

Rows are real Alpaca and Dolly rows, repeated under new ids. Each measure is a process of its own;
processor time is given beside wall time, for machines that are busy. `datasets` is needed for the
second measure only.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from babelmix.io import read_records, write_records
from babelmix.records import Conversation, Message
from babelmix.specs import CollectSpec, TranslateSpec

MEASURES = ("ours", "unaudited", "copy", "apertium")
APERTIUM_ROWS = 4000
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

    rows = read_records(pivot, Conversation)
    backend = {"backend": "identity"}
    made, manifest = translate_shard(rows, _spec("de", backend), str(out / "j"))
    if audited:
        audit_rows(rows, made, _audit("de"))
    write_records(out / "ours.parquet", made, Conversation)
    same = all(a.messages == b.messages for a, b in zip(rows, made, strict=True))
    return {"characters": manifest["characters"], "texts": manifest["texts"], "same_text": same}


def beside_apertium(pivot: Path, out: Path) -> dict[str, Any]:
    """Some rows en -> es: Apertium's processor seconds, and ours around them and for the audit."""
    from babelmix.translate.collect import audit_rows
    from babelmix.translate.shard import translate_shard

    rows = random.Random(0).sample(read_records(pivot, Conversation), APERTIUM_ROWS)
    (out / "apertium.jsonl").unlink(missing_ok=True)
    spec = _spec("es", {"backend": "apertium", "modes": {"es": ["eng-spa"]}})
    began = os.times()
    audit_rows(rows[:2], rows[:2], _audit("es"))  # loads what the audit needs, once a job
    loaded = os.times()
    made, manifest = translate_shard(rows, spec, str(out / "apertium.jsonl"))
    between = os.times()
    audit_rows(rows, made, _audit("es"))
    ended = os.times()
    theirs = ended.children_user + ended.children_system
    theirs -= began.children_user + began.children_system
    start = loaded.user + loaded.system - began.user - began.system
    around = between.user + between.system - loaded.user - loaded.system
    audit = ended.user + ended.system - between.user - between.system
    return {
        "characters": manifest["characters"],
        "apertium_cpu_s": round(theirs, 1),
        "start_cpu_s": round(start, 2),
        "around_it_cpu_s": round(around, 2),
        "audit_cpu_s": round(audit, 2),
        "added_percent": round(100 * (around + audit) / theirs, 1),
    }


def _spec(lang: str, translator: dict[str, Any]) -> TranslateSpec:
    given = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "shard": 0, "shards": 1}
    given |= {"translator_name": "t", "translator": translator}
    return TranslateSpec.model_validate(given)


def _audit(lang: str) -> CollectSpec:
    given = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "on_failed_check": "keep"}
    return CollectSpec.model_validate(given)


def copied(pivot: Path, out: Path) -> dict[str, Any]:
    """`datasets.map` with a function that changes nothing."""
    import datasets

    datasets.disable_progress_bars()
    table = datasets.Dataset.from_parquet(str(pivot), cache_dir=str(out / "cache"))
    table.map(lambda row: row, load_from_cache_file=False).to_parquet(str(out / "copied.parquet"))
    return {}


def child(args: argparse.Namespace) -> None:
    """One measure, printed as JSON."""
    profile = cProfile.Profile(time.process_time) if args.profile else None
    began, cpu = time.monotonic(), time.process_time()
    if profile:
        profile.enable()
    if args.what == "copy":
        seen = copied(args.pivot, args.out)
    elif args.what == "apertium":
        args.rows = APERTIUM_ROWS
        seen = beside_apertium(args.pivot, args.out)
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
    parser.add_argument("--what", choices=["all", *MEASURES], default="all")
    args = parser.parse_args()
    args.pivot = args.out / f"pivot-{args.rows}.parquet"
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.pivot.exists():
        write_records(args.pivot, make_rows(args.data, args.rows), Conversation)
    if args.what != "all":
        child(args)
        return
    for what in MEASURES:
        call = [sys.executable, "-m", "tests.bench.overhead", "--what", what]
        call += ["--data", str(args.data), "--rows", str(args.rows), "--out", str(args.out)]
        subprocess.run(call, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
