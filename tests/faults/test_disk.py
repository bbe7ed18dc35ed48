"""A full disk and a read-only folder under single stages; two runs in one folder."""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.stages import Bench, Job, finished, first_of_each
from tests.study import Study, kill_group, mini_config
from tests.unit import tiny_model

from babelmix.errors import explain_os_error

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

STAGES = [
    *("fetch", "normalise", "translate", "collect", "index-language", "build-mixture", "benchmark"),
    *("prepare-model", "tokenise", "train", "answer", "judge-single", "judge-pairs"),
    *("choose-baseline", "score", "describe", "describe-sources", "tables", "figures", "report"),
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
    """A file system of 256 MB: a training asks for 0.1 GB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here (needs root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, leave: int = 0) -> Path:
    """Take all the space there is, but for some bytes."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(b"x" * 4096)
    with filler.open("ab") as handle:
        handle.truncate(filler.stat().st_size - leave)
    return filler


@pytest.mark.parametrize("verb", STAGES)
def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    verb: str, study: Study, jobs: dict[str, Job], small: Path
) -> None:
    bench, job = Bench(study, small / "bench"), jobs[verb]
    whole, _ = bench.undisturbed(job)
    filler = fill(small)
    status, words, _ = bench.run(job)
    assert status == 2, words
    # A training asks how much is free before it writes.
    assert re.search(r"disk is full|No space left|0\.0 GB are free", words), words
    assert "Traceback" not in words
    for name in job.outputs:
        assert not (bench.folder / name).exists(), name
    assert bench.leavings() == []
    filler.unlink()
    status, words, _ = bench.run(job)
    assert status == 0, words
    assert bench.contents(job) == whole


@pytest.mark.parametrize("leave", [0, 40_000, 200_000, 700_000])
def test_a_disk_that_fills_up_during_a_training_is_told(
    leave: int, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metrics, weights (safetensors), optimizer (torch): whichever write fails, it is named."""
    from babelmix.train import train, worker

    study = tiny_model.write_study(tmp_path / "study")
    out = small / "out"
    out.mkdir()
    fill(small, leave)
    monkeypatch.setattr(worker, "check_disk", lambda *_: "")
    monkeypatch.setattr(train, "train_here", worker.work)
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    recipe = tiny_model.recipe(checkpoint_steps=2)
    with pytest.raises(OSError, match="No space left") as told:
        train.run(parser.parse_args(tiny_model.train_arguments(study, out, recipe)))
    assert "disk is full" in str(explain_os_error(told.value))
    assert not (out / "done.json").exists()
    (small / "filler").unlink()
    train.run(parser.parse_args(tiny_model.train_arguments(study, out, recipe)))
    assert (out / "done.json").is_file()


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
