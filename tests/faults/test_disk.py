"""A full disk and a read-only folder under single stages; two runs in one folder."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.stages import Bench, Job, finished, first_of_each
from tests.study import Study, kill_group, mini_config

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults"), pytest.mark.timeout(3600)]

STAGES = [
    *("fetch", "normalise", "translate", "collect", "index-language", "build-mixture", "benchmark"),
    *("prepare-model", "tokenise", "train", "answer", "judge-single", "judge-pairs"),
    *("choose-baseline", "score", "describe", "tables", "figures", "report"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Study(tmp_path_factory.mktemp("disk"), mini_config())
    done = made.run()
    assert done.returncode == 0, done.stdout[-4000:]
    return made


@pytest.fixture(scope="module")
def jobs(study: Study) -> dict[str, Job]:
    return first_of_each(finished(study))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here (needs root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take all the space there is."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(b"x" * 4096)
    return filler


@pytest.mark.parametrize("verb", STAGES)
def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    verb: str, study: Study, jobs: dict[str, Job], small: Path
) -> None:
    bench, job = Bench(study, small / "bench"), jobs[verb]
    bench.clear(job, everything=True)
    status, words, _ = bench.run(job)
    assert status == 0, words
    whole = bench.contents(job)
    bench.clear(job, everything=True)
    filler = fill(small)
    status, words, _ = bench.run(job)
    assert status == 2, words
    assert "disk is full" in words or "No space left" in words
    assert "Traceback" not in words
    for name in job.outputs:
        assert not (bench.folder / name).exists(), name
    assert bench.leavings() == []
    filler.unlink()
    status, words, _ = bench.run(job)
    assert status == 0, words
    assert bench.contents(job) == whole


@pytest.mark.parametrize("verb", ["normalise", "train", "judge-single", "report"])
def test_a_read_only_folder_is_told(
    verb: str, study: Study, jobs: dict[str, Job], small: Path
) -> None:
    bench, job = Bench(study, small / "bench"), jobs[verb]
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "babelmix", job.verb, *job.arguments],
        cwd=bench.folder,
        env=bench.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    words = process.communicate()[0]
    assert process.returncode == 2, words
    assert "read-only" in words.lower()
    assert "Traceback" not in words


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    study = Study(tmp_path / "study", mini_config())
    first = study.start()
    try:
        locks = study.folder / ".snakemake" / "locks"
        while not (locks.is_dir() and any(locks.iterdir())):
            assert first.poll() is None
        second = study.run()
        assert second.returncode != 0
        assert "LockException" in second.stdout or "Directory cannot be locked" in second.stdout
        assert first.wait(900) == 0
    finally:
        if first.poll() is None:
            kill_group(first)
    assert study.planned() == {}
