"""Memory and time of `normalise` on large folders, and of the same with HF datasets.

    python tests/bench/reading.py --megabytes 64 --files 1
    python tests/bench/reading.py --megabytes 5000 --files 40 --folder /tmp/large

Makes parquet files of dialogues (random letters, which do not compress: what counts is what must be
read), draws 1,000 rows, each way in a process of its own with all its imports, and prints wall
time, processor time and peak memory. Files that are there already are used again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.options import as_options

ROWS = 1000


def make_data(folder: Path, megabytes: int, files: int) -> list[Path]:
    """Write parquet shards of about so many bytes together; one row group each, the worst case."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 1_000_000 * megabytes // files
    paths = []
    for number in range(files):
        path = folder / f"train-{number:05}.parquet"
        paths.append(path)
        if path.exists():
            continue
        random = np.random.default_rng(number)
        # Six bits a letter: the files are 3/4 of their texts' size.
        letters = np.frombuffer(
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .", np.uint8
        )
        per_row = 1500
        rows = []
        for row in range(size * 4 // 3 // per_row):
            text = letters[random.integers(0, 64, per_row)].tobytes().decode()
            turns = [
                {"role": "user", "content": text[:500]},
                {"role": "assistant", "content": text[500:]},
            ]
            rows.append({"id": f"{number}-{row}", "messages": turns, "source": "made"})
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10_000_000)
    return paths


def ours(folder: Path) -> None:
    """Draw rows by the verb."""
    from babelmix.cli import main
    from babelmix.io import file_digest

    parts = [{"path": str(p), "sha256": file_digest(p)} for p in sorted(folder.glob("*.parquet"))]
    record = {"source": "s", "files": {"*": parts}, "extra": {}}
    out = Path(tempfile.mkdtemp())
    (out / "s.json").write_text(json.dumps(record))
    source = {"adapter": "messages", "path": "x", "licence": "x"}
    spec = {"version": 1, "dataset": "d", "lang": "en", "pivot": "en", "sources": {"s": source}}
    spec |= {"rows": ROWS, "max_chars": None, "seed": 0}
    code = main(
        [
            *("normalise", *as_options(json.dumps(spec)), "--records", str(out / "s.json")),
            *("--output", str(out / "d.parquet"), "--manifest", str(out / "d.json")),
        ]
    )
    assert code == 0
    assert pq.read_metadata(out / "d.parquet").num_rows == ROWS


def plain(folder: Path) -> None:
    """The same with `load_dataset`, `shuffle` and `select`."""
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        data = datasets.load_dataset(
            "parquet", data_files=str(folder / "*.parquet"), split="train", cache_dir=cache
        )
        chosen = data.map(lambda row: {"characters": len(str(row["messages"]))})
        chosen.shuffle(seed=0).select(range(ROWS)).to_parquet(f"{cache}/out.parquet")


WAYS = {"ours": ours, "datasets": plain}
#: A process takes its parent's peak memory over, so the data is made in one of its own.
MAKE = "make"


def measure(way: str, folder: Path) -> tuple[float, float, float]:
    """Wall time (s), processor time (s) and peak memory (MB) of one way."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--way", way, "--folder", str(folder)])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{way} failed")
    wall = time.perf_counter() - started
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def run() -> None:
    """Parse, make the data, measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--way", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way == MAKE:
        make_data(args.folder, args.megabytes, args.files)
        return
    if args.way:
        WAYS[args.way](args.folder)
        return
    folder = args.folder or Path(tempfile.mkdtemp())
    size = ["--megabytes", str(args.megabytes), "--files", str(args.files)]
    command = [sys.executable, __file__, "--way", MAKE, "--folder", str(folder), *size]
    subprocess.run(command, check=True)
    paths = sorted(folder.glob("*.parquet"))
    print(f"{len(paths)} files, {sum(p.stat().st_size for p in paths) / 1e6:.0f} MB")
    for way in args.ways:
        wall, processor, peak = measure(way, folder)
        print(f"{way:9} wall {wall:6.1f} s  processor {processor:6.1f} s  peak {peak:5.0f} MB")


if __name__ == "__main__":
    run()
