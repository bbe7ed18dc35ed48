"""kill -9 at random moments of every stage: the end is the same, byte for byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests import loopback
from tests.faults.stages import Bench, Job, finished, first_of_each, moments
from tests.loopback import Request, ScriptedServer, text
from tests.study import Study, mini_config

from babelmix.config.evaluation import OpenAIJudge
from babelmix.io import Journal

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

KILLS = 6  # of each stage, and twice as many of the paid ones
RESULTS: dict[str, int] = {}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The mini study, finished without disturbance; a training keeps a checkpoint at each step."""
    config = mini_config()
    config["training"]["quick"]["checkpoint_steps"] = 1
    made = Study(tmp_path_factory.mktemp("undisturbed"), config)
    done = made.run()
    assert done.returncode == 0, done.stdout[-4000:]
    return made


def test_every_stage_is_there(jobs: dict[str, Job]) -> None:
    assert set(jobs) == set(STAGES)


@pytest.fixture(scope="module")
def jobs(study: Study) -> dict[str, Job]:
    return first_of_each(finished(study))


STAGES = [
    *("fetch", "normalise", "translate", "collect", "index-language", "find-contamination"),
    *("build-mixture", "mixture-manifest", "benchmark", "prepare-model", "tokenise", "train"),
    *("answer", "judge-single", "judge-pairs", "choose-baseline", "score", "describe"),
    *("describe-sources", "tables", "figures", "report"),
]


@pytest.mark.parametrize("verb", STAGES)
def test_a_stage_killed_again_and_again_ends_the_same(
    verb: str, study: Study, jobs: dict[str, Job], tmp_path: Path
) -> None:
    bench, job = Bench(study, tmp_path / "bench"), jobs[verb]
    undisturbed, seconds = bench.undisturbed(job)
    hit = 0
    for moment in moments(seconds, KILLS, verb):
        bench.clear(job, everything=False)
        hit += bench.kill_after(job, moment)
        for name, value in bench.contents(job).items():
            if name in job.outputs:  # whole or not at all, at any moment
                assert value == undisturbed[name], name
    bench.clear(job, everything=False)
    status, words, _ = bench.run(job)
    assert status == 0, words
    assert bench.contents(job) == undisturbed
    RESULTS[verb] = hit
    print(f"{verb}: {hit} of {KILLS} kills hit it at work; {seconds:.1f} s undisturbed")


def reply(request: Request) -> str:
    """A verdict that depends on the prompt alone."""
    if "[[A]]" in request.prompt or "[[A]]" in json.dumps(request.body):
        return "Verdict: [[A]]"
    return f"Rating: [[{1 + len(request.prompt) % 10}]] [[{1 + len(request.prompt) % 10}]]"


@pytest.mark.parametrize("verb", ["judge-single", "judge-pairs", "translate"])
def test_what_is_paid_for_is_never_bought_twice(
    verb: str,
    study: Study,
    jobs: dict[str, Job],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(study, tmp_path / "bench")
    monkeypatch.setattr(loopback, "LIFETIME_S", 1800.0)
    with ScriptedServer(lambda r: text(reply(r), wait_s=0.3)) as server:
        job = paid(jobs[verb], server.base_url, bench)
        journal = bench.folder / str(job.value("--journal"))
        undisturbed, seconds = bench.undisturbed(job)
        calls = len(server.requests)
        assert calls > 10
        hit, asked = 0, len(server.requests)
        for moment in moments(seconds, 2 * KILLS, f"paid {verb}"):
            known = entries(journal)
            bench.clear(job, everything=False)
            hit += bench.kill_after(job, moment)
            bought = len(server.requests) - asked
            asked = len(server.requests)
            assert bought <= calls - known  # nothing that the journal holds is asked again
        known = entries(journal)
        bench.clear(job, everything=False)
        status, words, _ = bench.run(job)
        assert status == 0, words
        assert len(server.requests) - asked == calls - known
        assert bench.contents(job) == undisturbed
    RESULTS[f"paid {verb}"] = hit
    print(f"paid {verb}: {hit} of {2 * KILLS} kills hit it at work; {calls} calls undisturbed")


def paid(job: Job, base_url: str, bench: Bench) -> Job:
    """A job whose judge or translator is a service on loopback."""
    if job.verb == "translate":
        translator = {"backend": "openai", "model": "m", "base_url": base_url}
        job = job.with_settings(translator=translator, translator_name="service")
    else:
        service = {"engine": "openai", "model": "m", "base_url": base_url, "concurrency": 2}
        # What the verb looks up when it runs, and what decides whether it runs.
        file = bench.folder / str(job.value("--config"))
        config = json.loads(file.read_text())
        config["judges"]["service"] = service
        file.write_text(json.dumps(config))
        judge = OpenAIJudge.model_validate(service).essence().model_dump()
        job = job.with_settings(judge=judge, judge_name="service", all_languages=[])
    return job.replaced(journal=f"journals/paid-{job.verb}.jsonl")


def entries(file: Path) -> int:
    if not file.is_file():
        return 0
    copy = file.with_suffix(".copy")
    shutil.copy(file, copy)
    with Journal(copy) as journal:
        return len(journal.entries)


def test_there_were_more_than_a_hundred_kills() -> None:
    if len(RESULTS) < len(STAGES) + 3:
        pytest.skip("only a part of the suite was run")
    print("kills that hit a stage at work:", RESULTS, "in all:", sum(RESULTS.values()))
    assert sum(RESULTS.values()) >= 100
