"""Nine mixtures of a full-size Bactrian-X: this package against the plain way with HF datasets.

    python tests/bench/bench_mixtures.py --data FOLDER      (FOLDER holds alpaca/ and dolly/)

Makes 5 x 67,017 conversations of real length (Alpaca's and Dolly's rows, repeated under new ids),
then makes the nine mixtures in several ways, each in a process of its own with all its imports:
rows alone (ours: index of each language, row selections, counts and digests, written; datasets:
load, concatenate, shuffle, select, left in memory) and with their texts (ours: zstd parquet;
datasets: `save_to_disk`, and `to_parquet`). Ours is also run on one language alone, to see what
memory the other four add. Prints wall time, processor time, peak memory, and the ratios.
Needs `pip install datasets`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.options import as_options

LANGUAGES = ["en", "de", "fr", "it", "es"]
ROWS = 67_017
LEFT = LANGUAGES[1:]


def make_data(data: Path, folder: Path, rows: int) -> None:
    """Write conversations/d.{lang}.parquet."""
    from babelmix.io import write_records
    from babelmix.records import Conversation, Message

    real = []
    for file in ("alpaca/alpaca_5k.alpagasus_claude_t45.json", "dolly/dolly_3k.alpagasus.json"):
        for row in json.loads((data / file).read_text(encoding="utf-8")):
            asked = f"{row['instruction']}\n\n{row.get('input') or ''}".strip()
            real.append((asked, row["output"]))
    for lang in LANGUAGES:
        made = [
            Conversation(
                f"row-{i}",
                lang,
                "d",
                "s",
                [Message("user", q), Message("assistant", a)],
            )
            for i in range(rows)
            for q, a in [real[i % len(real)]]
        ]
        write_records(folder / f"conversations/d.{lang}.parquet", made, Conversation)


def definitions() -> list[tuple[str, str, list[str]]]:
    """(name, kind, languages) of study 1's nine."""
    found = [(code.upper(), "blocks", [code]) for code in LANGUAGES]
    for languages in (LANGUAGES, LEFT):
        name = "".join(languages).upper()
        found += [(name, "parallel", languages), (f"{name}-sampled", "blocks", languages)]
    return found


def ours(folder: Path, texts: bool, languages: list[str]) -> None:
    """Index the languages, then select the mixtures of them (and write their texts)."""
    from babelmix.cli import main
    from babelmix.specs import IndexSpec, MixtureSpec

    out = folder / "ours"
    for lang in languages:
        spec = IndexSpec(
            version=1, dataset="d", lang=lang, on_failed_check="keep", dev_rows=0, seed=0
        )
        source = folder / f"conversations/d.{lang}.parquet"
        places = ["--output", f"{out}/d.{lang}.parquet", "--manifest", f"{out}/d.{lang}.json"]
        main(
            [
                *("index-language", *as_options(spec.model_dump_json())),
                *("--conversations", str(source), *places),
            ]
        )
    for name, kind, own in definitions():
        if not set(own) <= set(languages):
            continue
        mixture = MixtureSpec(version=1, name=name, dataset="d", kind=kind, languages=own)
        rows = f"{out}/{name}.parquet"
        main(
            [
                *("build-mixture", *as_options(mixture.model_dump_json()), "--pools"),
                *(f"{out}/d.{c}.parquet" for c in own),
                *("--output", rows, "--selection", f"{out}/{name}.json"),
            ]
        )
        if texts:
            files = [f"{folder}/conversations/d.{c}.parquet" for c in own]
            main(
                [
                    *("export-mixture", "--mixture", rows, "--folder", f"{out}/{name}"),
                    *("--conversations", *files),
                ]
            )


def plain(folder: Path, texts: str) -> None:
    """What a script with HF datasets does: the same nine, each id once where ours does so."""
    import datasets

    datasets.disable_progress_bars()
    pool = {
        code: datasets.Dataset.from_parquet(
            f"{folder}/conversations/d.{code}.parquet",
            columns=["id", "lang", "dataset", "messages"],
            cache_dir=f"{folder}/cache-{texts}",
        )
        for code in LANGUAGES
    }
    for name, kind, languages in definitions():
        rows = len(pool["en"])
        if kind == "parallel" or len(languages) == 1:
            mixed = datasets.concatenate_datasets([pool[c] for c in languages]).shuffle(seed=0)
        else:
            order = list(range(rows))
            random.Random(0).shuffle(order)
            n = len(languages)
            parts = [pool[c].select(order[place::n]) for place, c in enumerate(languages)]
            mixed = datasets.concatenate_datasets(parts).shuffle(seed=0)
        if texts == "arrow":
            mixed.save_to_disk(f"{folder}/plain/{name}")
        elif texts == "parquet":
            mixed.to_parquet(f"{folder}/plain/{name}.parquet")


def measure(what: str, folder: Path) -> float:
    """Run one way in a process of its own and print what it took; its wall time, s."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--way", what, "--folder", str(folder)])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{what} failed")
    wall = time.perf_counter() - started
    peak = used.ru_maxrss / 1024
    processor = used.ru_utime + used.ru_stime
    line = f"{what:<24} wall {wall:6.1f} s  processor {processor:6.1f} s  peak {peak:5.0f} MiB"
    print(line, flush=True)
    return wall


def fingerprints(folder: Path) -> None:
    """Fingerprint the languages, and look for duplicates in all of them at once."""
    from babelmix.cli import main
    from babelmix.mixtures.duplicates import read_prints
    from babelmix.specs import FingerprintSpec

    files = []
    for lang in LANGUAGES:
        spec = FingerprintSpec(version=1, dataset="d", lang=lang)
        files.append(folder / f"ours/prints/d.{lang}.parquet")
        main(
            [
                *("fingerprint-language", *as_options(spec.model_dump_json())),
                *("--conversations", f"{folder}/conversations/d.{lang}.parquet"),
                *("--output", str(files[-1])),
            ]
        )
    read_prints(files).near(0.8)


WAYS = {
    "ours, English alone": lambda folder: ours(folder, True, ["en"]),
    "ours, rows": lambda folder: ours(folder, False, LANGUAGES),
    "ours, duplicates": fingerprints,
    "datasets, rows in memory": lambda folder: plain(folder, ""),
    "ours, texts": lambda folder: ours(folder, True, LANGUAGES),
    "datasets, save_to_disk": lambda folder: plain(folder, "arrow"),
    "datasets, parquet": lambda folder: plain(folder, "parquet"),
}
#: Which ways are compared: mixtures ready to train from, and like with like.
RATIOS = [
    ("ours, rows", "datasets, save_to_disk"),
    ("ours, rows", "datasets, rows in memory"),
    ("ours, texts", "datasets, save_to_disk"),
    ("ours, texts", "datasets, parquet"),
]


def run() -> None:
    """Parse, make the data, measure each way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, help="folder with alpaca/ and dolly/")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows a language")
    parser.add_argument("--folder", type=Path, help="where to work; left out: a temporary one")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        WAYS[args.way](args.folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        make_data(args.data, folder, args.rows)
        size = (folder / "conversations/d.en.parquet").stat().st_size / 1e6
        print(f"{len(LANGUAGES)} x {args.rows} rows, {size:.0f} MB a language", flush=True)
        walls = {what: measure(what, folder) for what in WAYS}
        for fast, slow in RATIOS:
            print(f"{slow} / {fast}: {walls[slow] / walls[fast]:.1f}")


if __name__ == "__main__":
    run()
