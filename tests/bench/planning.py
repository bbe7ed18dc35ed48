"""How long Snakemake takes to plan studies of growing size, and to see that one is finished.

    python -m tests.bench.planning --seeds 0 1 8 32 --finished 1

Zero seeds: study 1 on Lima-X alone; else both studies with as many training seeds. Plans each from
nothing (`snakemake -n`). Of those that are to be finished it then makes empty files in place of the
results, has Snakemake record them as made (`--touch`), and times a run with nothing to do. Prints
jobs, processor and wall time, peak memory. Needs no network, GPU or key.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from babelmix.config.load import read_yaml
from babelmix.io import write_records
from babelmix.records import Judgement
from tests.study import ROOT, Study

KEYS = ("HF_TOKEN", "OPENAI_API_KEY", "DEEPL_AUTH_KEY", "GOOGLE_API_KEY")


def study_of(folder: Path, seeds: int) -> Study:
    """The full configuration with so many seeds; without one, a part of it."""
    config = read_yaml(ROOT / "config" / "config.yaml")
    if not seeds:
        config["only_studies"] = ["lima-x"]
    # Nothing is asked or trained, but a run (`--touch`) looks for keys and GPUs before it begins.
    for model in config["models"].values():
        model |= {"gpus": 0, "device": "cpu"}
    for study in config["studies"].values():
        for run in study["runs"]:
            run["seeds"] = list(range(max(1, seeds)))
    return Study(folder, config)


def measured(study: Study, what: str, *options: str) -> str:
    """Run Snakemake and print what it took; its output."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            study.command(*options), env=study.environment, stdout=said, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        said.seek(0)
        text = said.read()
    if status:
        raise SystemExit(f"{what} failed:\n{text[-3000:]}")
    wall = time.perf_counter() - started
    processor = used.ru_utime + used.ru_stime
    jobs = re.findall(r"^total\s+(\d+)$", text, flags=re.M)
    print(
        f"{what:<8} {jobs[-1] if jobs else '-':>6} jobs  processor {processor:6.1f} s  "
        f"wall {wall:6.1f} s  peak {used.ru_maxrss / 1024:5.0f} MiB",
        flush=True,
    )
    return text


def finish(study: Study) -> None:
    """Stand-ins of all results, recorded as made."""
    listed = study.run("--summary").stdout
    rows = [line.split("\t") for line in listed.splitlines() if line.startswith("results/")]
    for output, *_ in rows:
        place = study.folder / output
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.name == "rendered":
            place.mkdir(exist_ok=True)
        elif place.parent.parent.name == "judgements":
            write_records(place, [], Judgement)  # read for the summary at a run's end
        else:
            place.touch()
    done = study.run("--touch", "--quiet", "all")
    if done.returncode:
        raise SystemExit(done.stdout[-3000:])


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--finished", type=int, nargs="*", default=[], help="of these seeds")
    args = parser.parse_args()
    os.environ |= dict.fromkeys(KEYS, "unused")
    for seeds in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            study = study_of(Path(folder) / "study", seeds)
            measured(study, "plan", "--dry-run", "--quiet", "rules")
            if seeds not in args.finished:
                continue
            finish(study)
            text = measured(study, "nothing", "--quiet", "rules")
            if "Nothing to be done" not in text:
                raise SystemExit(f"there was something to do:\n{text[-3000:]}")


if __name__ == "__main__":
    main()
