"""Random runs, kills, and ten thousand calls."""

from __future__ import annotations

import pytest

from . import random_runs, scale

#: Seeds of `make test`; `make test-providers` plays 200 (see random_runs).
FEW = range(1, 21)


@pytest.mark.parametrize("seed", FEW)
def test_a_random_run_keeps_its_cap_and_its_ledger(seed: int) -> None:
    played = random_runs.play(seed)
    assert not played.problems, random_runs.line(played) + "\n" + "\n".join(played.problems)


def test_runs_are_drawn_by_their_seed_and_differ() -> None:
    assert random_runs.draw(7) == random_runs.draw(7)
    drawn = [random_runs.draw(seed) for seed in range(1, 201)]
    assert {d.verb for d in drawn} == {"judge", "translate", "answer"}
    assert sum(d.reported for d in drawn) >= 40
    assert sum(len(d.kills) for d in drawn) >= 60


def test_some_thousand_calls_without_a_refusal() -> None:
    found = scale.play(2500, 64)
    assert (found.code, found.requests, found.journalled) == (0, 2500, 2500)
    assert found.ledger == pytest.approx(found.billed, abs=0.005)
