"""Lines of progress: half a minute apart in the log, five minutes apart on the terminal."""

from __future__ import annotations

import pytest

from babelmix.progress import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress("judge m", 1000, "call", done=100, clock=clock) as progress:
        for _ in range(60):  # ten minutes, ten calls each ten seconds
            clock.now += 10
            progress.update(10, "$0.12" if clock.now > 500 else "")
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "judge m: 400 of 1,000 calls, 10 min left",
        "judge m: 700 of 1,000 calls, 5 min left, $0.12",
    ]
    assert len(err.splitlines()) == 20
    assert progress.done == 700


def test_a_short_job_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("answer r", 3, "turn") as progress:
        for _ in range(3):
            progress.update()
    assert capsys.readouterr() == ("", "")
