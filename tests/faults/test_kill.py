"""kill -9 of a whole run in the middle: the next run ends it, and does nothing twice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.study import Study, kill_group, mini_config

from babelmix.io import file_digest

pytestmark = [pytest.mark.mini]


def wait_for(path: Path, pattern: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not list(path.glob(pattern)):
        assert time.monotonic() < until, f"no {pattern} after {seconds} s"
        time.sleep(0.05)


def test_killed_in_the_middle_it_ends_and_repeats_nothing(tmp_path: Path) -> None:
    config = mini_config()
    config["studies"]["demo"]["evaluations"].pop()
    study = Study(tmp_path / "study", config)
    process = study.start()
    try:
        wait_for(study.results, "checkpoints/*.s1.json", 400)
        # Let the next training begin, so that the kill hits it at work.
        wait_for(study.results, "answers/*/*.parquet", 400)
    finally:
        kill_group(process)
    finished = [*study.results.glob("checkpoints/*.json"), *study.results.glob("mixtures/*.json")]
    before = {f: (f.stat().st_mtime_ns, file_digest(f)) for f in finished}
    assert before
    locked = study.run("--unlock")
    assert locked.returncode == 0, locked.stdout
    done = study.run()
    assert done.returncode == 0, done.stdout[-5000:]
    again = {f: (f.stat().st_mtime_ns, file_digest(f)) for f in finished}
    # Only what was being written at the moment of the kill may be made again.
    unchanged = [f for f in finished if again[f] == before[f]]
    assert len(unchanged) >= len(finished) - 2
    assert study.planned() == {}
