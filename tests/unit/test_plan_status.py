"""`status`: done, running, broken off, failed, and what the rest will cost; from files alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.study import mini_config

from babelmix.config.load import build_config
from babelmix.io import write_records
from babelmix.plan import Jobs, Plan, progress, status
from babelmix.records import LATER_COLUMNS, Judgement

RUN = "tiny.mono-EN.quick.s1"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    config = mini_config()  # its paths are relative to the repository
    made = Jobs(Plan(build_config(config)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(status, "snakemake_processes", lambda folder: [])
    monkeypatch.setattr(status, "living_jobs", lambda root, folder: [])
    # Estimates read the sources, which are not in this folder.
    monkeypatch.setattr(status, "cost_lines", lambda plan: [])
    return made


def put(path: str, text: str = "x") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def begin(output: str) -> None:
    """Snakemake's mark of an output that a job is at work on; long names are split over folders."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    parts = [name[i : i + 40] for i in range(0, len(name), 40)]
    put("/".join([".snakemake/incomplete", *("@" + p for p in parts[:-1]), parts[-1]]))


def test_nothing_is_there_at_first(jobs: Jobs) -> None:
    text = status.status(jobs, Path())
    assert "0 of " in text
    assert "running now" not in text
    assert "3 train" in text


def test_every_planned_file_is_one_the_rules_make(jobs: Jobs) -> None:
    planned = {i.output for i in progress.items(jobs)}
    wanted = {
        *jobs.all_answers(),
        *jobs.all_scores(),
        *jobs.all_judgements(),
        *jobs.all_questions(),
        *(jobs.checkpoint(r)["completed"] for r, run in jobs.plan.runs.items() if run.mixture),
        *jobs.shards("demo", "de"),
        *jobs.shards("demo", "en"),
        *jobs.mixture_input("mono-EN")["pools"],
        *jobs.searches("mono-EN"),
        *jobs.records("demo"),
        *jobs.train_input(RUN)["tokenised"],
        jobs.train_input(RUN)["mixture"],
        jobs.train_input(RUN)["model"],
        jobs.path("report/index.html"),
    }
    assert wanted <= planned


def test_a_running_training_tells_its_step(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "snakemake_processes", lambda folder: [77])
    begin(jobs.checkpoint(RUN)["completed"])
    rows = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.5}]
    torn = "\n".join(map(json.dumps, rows)) + '\n{"step": 3, "lo'
    put(jobs.path(f"work/train/{RUN}/metrics.jsonl"), torn)
    text = status.status(jobs, Path())
    assert "a run is at work (process 77)" in text
    assert f"train {RUN}  step 2, loss 2.500" in text


def test_a_killed_run_is_told_from_a_running_one(jobs: Jobs) -> None:
    begin(jobs.checkpoint(RUN)["completed"])
    put(".snakemake/locks/0.output.lock")
    text = status.status(jobs, Path())
    assert "running now" not in text
    assert "broken off" in text
    assert "snakemake --unlock" in text


def test_a_failed_job_shows_the_end_of_its_log(jobs: Jobs) -> None:
    lines = [f"line {i}" for i in range(50)] + ["  5%\r 10%\r 15%", "babelmix train: no GPU", ""]
    put(jobs.path(f"logs/train/{RUN}.log"), "\n".join(lines))
    text = status.status(jobs, Path())
    assert "| babelmix train: no GPU" in text
    assert "|  15%" in text
    assert " 10%" not in text
    assert "line 40" not in text


def test_a_finished_job_with_words_in_its_log_has_not_failed(jobs: Jobs) -> None:
    put(jobs.path(f"logs/train/{RUN}.log"), "a warning")
    put(jobs.checkpoint(RUN)["completed"])
    assert "not finished" not in status.status(jobs, Path())


def test_dollars_are_left_by_the_share_of_jobs_left(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (evaluation, *_) = jobs.plan.evaluations

    class Line:
        stage, what, dollars = "judge", evaluation, 30.0

    monkeypatch.setattr(status, "cost_lines", lambda plan: [Line])
    planned = progress.items(jobs)
    assert status.to_the_end(jobs, planned) == pytest.approx(30.0)
    put(jobs.path(f"judgements/{evaluation}/{RUN}.parquet"))
    assert status.to_the_end(jobs, planned) == pytest.approx(20.0)


def test_the_summary_adds_up_what_judging_cost(jobs: Jobs) -> None:
    def verdict(number: int, **changes: Any) -> Judgement:
        values: dict[str, Any] = dict.fromkeys(Judgement.__dataclass_fields__, "")
        values |= LATER_COLUMNS
        values |= {"key": str(number), "turn": 1, "score": 7.0, "verdict": None}
        values |= {"unscored_reason": None, "tokens_in": 1, "tokens_out": 1, "cost": 0.25}
        values |= {"neutralised": 0}
        return Judgement(**(values | changes))

    file = jobs.all_judgements()[0]
    lost = verdict(2, score=None, unscored_reason="no verdict")
    write_records(file, [verdict(1), lost], Judgement)
    text = status.summary(jobs)
    assert "2 verdicts (1 unscored)" in text
    assert "0.50 US dollars" in text
    assert "report: not built yet" in text
    assert "1 of 37 files built" in text


def test_everything_there_says_where(jobs: Jobs) -> None:
    for item in progress.items(jobs):
        put(item.output)
    assert f"everything is there: {jobs.path('report/index.html')}" in status.status(jobs, Path())
