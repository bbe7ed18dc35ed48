"""All of LIMA through Apertium: time, failures, proof, and three kills with -9 on the way.

    python -m tests.bench.lima --data DATA [--langs es fr it] [--out work/lima]

For each language one undisturbed run and one that is killed three times and resumed; their parquet
files must be equal byte by byte. Exits with 1 when anything does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from babelmix.config.sources import Source
from babelmix.files.readers import read_rows
from babelmix.io import file_digest, read_json, read_records, write_json, write_records
from babelmix.records import Conversation
from babelmix.sources import adapters
from babelmix.specs import CollectSpec, TranslateSpec
from babelmix.stages import STAGE_VERSIONS
from babelmix.translate.collect import audit_report, audit_rows
from babelmix.translate.protect import protected_pieces

MODES = {"es": ["eng-spa"], "fr": ["eng-spa", "es-fr"], "it": ["eng-spa", "spa-ita"]}
#: Shares of the work after which the run is killed.
KILLS = (0.25, 0.5, 0.75)


def read_lima(data: Path) -> list[Conversation]:
    """The rows as `normalise` makes them."""
    path = str(data / "lima" / "train.llamafactory.json")
    source = Source.model_validate(
        {"adapter": "lima", "path": path, "id_prefix": "lima-", "languages": ["en"]}
        | {"licence": "CC BY-NC-SA 4.0"}
    )
    return adapters.conversations(read_rows(path), source, "lima", "en", "lima", path).rows


def command(lang: str, pivot: Path, folder: Path) -> list[str]:
    """The verb's call; everything it writes is in ``folder``."""
    spec = TranslateSpec.model_validate(
        {
            "version": STAGE_VERSIONS["translate"],
            "dataset": "lima",
            "lang": lang,
            "pivot": "en",
            "shard": 0,
            "shards": 1,
            "translator_name": "apertium",
            "translator": {"backend": "apertium", "modes": MODES},
        }
    )
    options = {"spec": spec.model_dump_json(), "input": str(pivot)}
    options |= {"journal": str(journal(folder, lang)), "output": str(folder / "out.parquet")}
    options |= {"manifest": str(folder / "manifest.json")}
    flat = [text for name, value in options.items() for text in (f"--{name}", value)]
    return [sys.executable, "-m", "babelmix", "translate", *flat]


def journal(folder: Path, lang: str) -> Path:
    return folder / f"lima.{lang}.0.jsonl"


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def run_killed(call: list[str], path: Path, whole: int) -> list[int]:
    """Kill the run -9, with its Apertium, as the journal passes each share; then let it end."""
    kept = []
    for share in KILLS:
        process = subprocess.Popen(call, start_new_session=True, stderr=subprocess.DEVNULL)
        while process.poll() is None and lines(path) < share * whole:
            time.sleep(0.05)
        if process.poll() is not None:
            raise SystemExit("the run ended before it could be killed")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kept.append(lines(path))
    subprocess.run(call, check=True, stderr=subprocess.DEVNULL)
    return kept


def lost_pieces(pivot: list[Conversation], made: list[Conversation]) -> int:
    """Protected pieces that rows counted as translated have lost or gained."""
    by_id = {row.id: row for row in pivot}
    odd: Counter[str] = Counter()
    for row in made:
        if next(c for c in row.checks if c.name == "translated").ok:
            for before, after in zip(by_id[row.id].messages, row.messages, strict=True):
                first = Counter(protected_pieces(before.content))
                second = Counter(protected_pieces(after.content))
                odd += (first - second) + (second - first)
    return odd.total()


def audited(rows: list[Conversation], made: list[Conversation], lang: str) -> dict[str, Any]:
    """The audit's counts, as the verb `collect` gives them."""
    collected = {"version": STAGE_VERSIONS["collect"], "dataset": "lima", "lang": lang}
    spec = CollectSpec.model_validate(collected | {"pivot": "en", "on_failed_check": "keep"})
    audit_rows(rows, made, spec)
    return audit_report(made, spec)


def measure(lang: str, pivot: Path, rows: list[Conversation], out: Path) -> dict[str, Any]:
    """Both runs of one language, and what was seen."""
    plain, killed = out / lang / "plain", out / lang / "killed"
    for folder in (plain, killed):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    began, cpu = time.monotonic(), os.times()
    subprocess.run(command(lang, pivot, plain), check=True, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, os.times()
    whole = lines(journal(plain, lang))
    kept = run_killed(command(lang, pivot, killed), journal(killed, lang), whole)
    made = read_records(plain / "out.parquet", Conversation)
    manifest = read_json(plain / "manifest.json")
    report = audited(rows, made, lang)
    pieces = sum(len(protected_pieces(m.content)) for row in rows for m in row.messages)
    return {
        "lang": lang,
        "wall_s": round(wall, 1),
        "cpu_s": round(
            after.children_user + after.children_system - cpu.children_user - cpu.children_system,
            1,
        ),
        "rows_in": len(rows),
        "rows_out": len(made),
        "passed": report["passed"],
        "failed": report["failed"],
        "failed_by_check": report["failed_by_check"],
        "failed_by_reason": manifest["failed_by_reason"],
        "texts": manifest["texts"],
        "characters": manifest["characters"],
        "protected_pieces": pieces,
        "protected_lost": lost_pieces(rows, made),
        "journal_lines": whole,
        "journal_lines_at_kills": kept,
        "byte_equal": file_digest(plain / "out.parquet") == file_digest(killed / "out.parquet"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--langs", nargs="+", default=list(MODES))
    parser.add_argument("--out", type=Path, default=Path("work/lima"))
    args = parser.parse_args()
    rows = read_lima(args.data)
    pivot = args.out / "lima.en.parquet"
    write_records(pivot, rows, Conversation)
    good = True
    for lang in args.langs:
        seen = measure(lang, pivot, rows, args.out)
        write_json(args.out / f"{lang}.json", seen)
        print(json.dumps(seen), flush=True)
        ids = [r.id for r in read_records(args.out / lang / "plain/out.parquet", Conversation)]
        good = good and seen["byte_equal"] and seen["protected_lost"] == 0
        good = good and ids == [r.id for r in rows]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
