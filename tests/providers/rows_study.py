"""Rows: through the YAML: plan, check, status, Snakemake (points 2, 8, 9, 12, 14, 16)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

import babelmix
from babelmix.io import write_records
from babelmix.records import Answer, Question
from tests.study import ROOT, Study

from . import bodies, refusals
from .driver import KEY, WAIT_SCALE
from .models import Model, holds, refuses_system, refuses_temperature, when
from .server import Call
from .table import Bench, row

#: Of the code under test: this checkout, or the one that PYTHONPATH names.
TREE = Path(babelmix.__file__).resolve().parents[2]
RUNS = ("tiny.mono-EN.quick.s0", "tiny.mono-DE.quick.s0")
EVALUATION = "b.j.single"


def config(judge: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A study that an openai judge grades: two runs, two languages, ten questions."""
    text = f"""
study_set: priced
languages: [en, de]
sources:
  rows:
    adapter: parallel
    path: {ROOT}/resources/demo/instructions.jsonl
    languages: [en]
    licence: CC0-1.0
  questions:
    adapter: parallel
    path: {ROOT}/resources/demo/benchmark.jsonl
    languages: [en, de]
    licence: CC0-1.0
translators:
  memory: {{backend: memory, path: "{ROOT}/resources/demo/instructions.jsonl"}}
datasets:
  demo: {{sources: [rows], languages: [en, de], translator: memory, rows: 24, dev_rows: 4}}
mixtures:
  mono: {{policy: monolingual, dataset: demo, languages: [en, de]}}
models:
  tiny: {{path: "{ROOT}/resources/demo/base", device: cpu, licence: CC BY 2.0 FR}}
training:
  quick:
    max_steps: 3
    batch_size: 8
    micro_batch_size: 8
    learning_rate: 2.0e-3
    max_length: 192
    precision: fp32
benchmarks:
  b: {{source: questions, languages: [en, de], questions: 10, generation: {{max_new_tokens: 8}}}}
studies:
  s:
    title: A study
    runs: [{{models: [tiny], mixtures: [mono], recipe: quick}}]
    evaluations: [{{benchmark: b, judge: j, protocol: single}}]
"""
    found: dict[str, Any] = yaml.safe_load(text)
    return found | {"judges": {"j": {"engine": "openai", "model": "m"} | judge}} | changes


class Judged(Study):
    """A study set whose answers are there already: only its judging is left to do."""

    def __init__(self, bench: Bench, judge: dict[str, Any], **changes: Any) -> None:
        super().__init__(bench.folder / "study", config(judge, **changes), TREE)
        bench.folder = self.results
        self.bench = bench

    @property
    def environment(self) -> dict[str, str]:
        found = super().environment
        return found | {"OPENAI_API_KEY": KEY, "BABELMIX_WAIT_SCALE": str(WAIT_SCALE)}

    def with_answers(self, attack: str = "") -> Judged:
        """Write questions and both runs' answers, as the workflow would have made them."""
        for lang in ("en", "de"):
            held = [Question(f"{i:02}", lang, "writing", [f"({lang}) Q {i}?"]) for i in range(10)]
            write_records(self.results / "benchmarks" / f"b.{lang}.parquet", held, Question)
        for run in RUNS:
            rows = [
                Answer(f"{i:02}", lang, "writing", 1, run, f"({lang}) Q {i}?",
                       attack if attack and i == 3 and lang == "de" else f"{run} {lang}: {i}.",
                       "stop", 9, 9, "")
                for lang in ("en", "de")
                for i in range(10)
            ]  # fmt: skip
            write_records(self.results / "answers" / "b" / f"{run}.parquet", rows, Answer)
        return self

    def judge(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Let Snakemake judge both runs."""
        targets = [f"results/priced/judgements/{EVALUATION}/{run}.parquet" for run in RUNS]
        return self.run("--allowed-rules", "judge_single", *options, "--", *targets)

    def verb(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        """A verb that takes the configuration."""
        self.command()
        return subprocess.run(
            [sys.executable, "-m", "babelmix", name, "--config", "config.yaml", *options],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=120,
        )

    def judged(self) -> int:
        """Judgement files that are there."""
        return len(list((self.results / "judgements").rglob("*.parquet")))


PRICED = {"price_in": 100.0, "price_out": 400.0, "confirm_cost": 1e6, "max_retries": 1}
PRICED |= {"max_tokens": 300}


# --- 2: Snakemake completes what is not whole ----------------------------------------------------


@row("2", "snakemake: a judge fails for some; the next run asks them; `status` knows", quick=True)
def snakemake_completes(bench: Bench) -> None:
    ill = {"on": True}

    def fails(call: Call) -> bool:
        return ill["on"] and "(de) Q 3?" in call.prompt

    server = bench.serve(Model(checks=(when(fails, refusals.server_error()),)))
    study = Judged(bench, PRICED | {"base_url": server.base_url}).with_answers()
    first = study.judge("--keep-going")
    bench.check(first.returncode != 0, "a run that is not whole ended with 0")
    bench.equal(study.judged(), 0, "judgement files")
    bench.check(
        bench.journalled() in (38, 39), f"{bench.journalled()} journalled, of 38 (and a probe)"
    )
    told = study.verb("status").stdout
    found = re.search(r"judge[^\n]* (\d+)/2", told)
    bench.check(found is not None and found[1] == "0", f"status: {told[:700]}")
    before = len(server.posts())
    ill["on"] = False
    second = study.judge()
    bench.equal(second.returncode, 0, f"the next run: {second.stdout[-500:]}")
    bench.equal(study.judged(), 2, "judgement files")
    bench.check(len(server.posts()) - before <= 3, f"{len(server.posts()) - before} calls")
    third = study.judge()
    bench.check("Nothing to be done" in third.stdout, third.stdout[-300:])
    bench.scored = f"{study.judged()} of 2 files"
    bench.exact()
    bench.none_twice()


@row("2", "snakemake: max_cost is reached; raised in the YAML, the next run completes it")
def snakemake_cap(bench: Bench) -> None:
    server = bench.serve(Model())
    study = Judged(bench, PRICED | {"base_url": server.base_url, "max_cost": 0.9}).with_answers()
    first = study.judge("--keep-going")
    bench.check(first.returncode != 0, "a run at its cap ended with 0")
    kept = bench.journalled()
    study.config["judges"]["j"]["max_cost"] = 50.0
    second = study.judge()
    bench.equal((second.returncode, study.judged()), (0, 2), "status, files when raised")
    bench.scored = f"{kept}, then {bench.journalled()}"
    bench.check(0 < kept < 40, f"{kept} journalled at the cap")
    bench.check(
        bench.journalled() in (40, 41), f"{bench.journalled()} journalled, of 40 (and a probe)"
    )
    bench.exact()
    bench.none_twice()


@row("2", "snakemake: accept_failures in the YAML lets a study go on with what it has")
def snakemake_accepts(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(holds("(de) Q 3?"), refusals.server_error()),)))
    judge = PRICED | {"base_url": server.base_url, "accept_failures": 0.1}
    study = Judged(bench, judge).with_answers()
    done = study.judge()
    bench.equal((done.returncode, study.judged()), (0, 2), f"status, files: {done.stdout[-300:]}")
    bench.exact()


# --- 8: the plan knows prices, or says that it does not ------------------------------------------


def planned(bench: Bench, judge: dict[str, Any], **changes: Any) -> tuple[str, str]:
    """The plan's whole text, and its line on judging."""
    done = Judged(bench, judge, **changes).verb("plan")
    bench.equal(done.returncode, 0, f"status: {done.stdout[-300:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("judge")]
    return done.stdout, lines[0] if lines else ""


def is_zero(line: str) -> bool:
    """Whether the line's dollars are a 0."""
    return line.split()[-1:] in (["0.00"], ["0"])


def _snapshot(model: str, quick: bool = False, **more: Any) -> None:
    @row("8", f"plan: the price of {model} is its family's", quick=quick)
    def snapshot(bench: Bench) -> None:
        text, line = planned(bench, {"model": model, "key_env": "MY_KEY"} | more)
        bench.scored = line.split()[-1] if line else "no line"
        bench.check("no price" not in line and "unknown" not in line, line or text[-400:])
        bench.check(not is_zero(line), line)

    del snapshot


_snapshot("gpt-4o-2024-08-06", quick=True)
_snapshot("gpt-4o-mini-2024-07-18")
_snapshot("gpt-4.1-2025-04-14")
_snapshot("gpt-4-0613")


@row(
    "8",
    "plan: a price that is not known is not printed as 0 (own model, regional host)",
    quick=True,
)
def plan_unknown(bench: Bench) -> None:
    for judge in (
        {"model": "my-house-model", "base_url": "https://llm.example/v1", "key_env": "K"},
        {"model": "gpt-4o", "base_url": "https://eu.api.openai.com/v1", "key_env": "K"},
    ):
        bench.folder = bench.folder / judge["model"]
        bench.folder.mkdir(parents=True)
        unknown_is_no_zero(bench, judge)


def unknown_is_no_zero(bench: Bench, judge: dict[str, Any]) -> None:
    """Neither the line nor the total may end with a 0."""
    text, line = planned(bench, judge)
    bench.scored = line.split()[-1] if line else "no line"
    bench.check(not is_zero(line), line)
    total = next((x for x in text.splitlines() if x.startswith("total")), "")
    bench.check(not is_zero(total), total)


@row("8", "plan: a translator's listed price is the judge's (gpt-4o-mini)")
def plan_translator(bench: Bench) -> None:
    text, _ = planned(
        bench,
        {"model": "gpt-4o-mini"},
        translators={"memory": {"backend": "openai", "model": "gpt-4o-mini"}},
    )
    line = next((x for x in text.splitlines() if x.startswith("translate")), "")
    bench.scored = line.split()[-1] if line else "no line"
    bench.check(line != "" and "no price" not in line, line or text)


@row("8", "plan: price_in without price_out is an error, or costs output something")
def plan_half(bench: Bench) -> None:
    study = Judged(bench, {"price_in": 1.0, "base_url": "https://llm.example/v1", "key_env": "K"})
    done = study.verb("plan")
    line = next((x for x in done.stdout.splitlines() if x.startswith("judge")), "")
    bench.check(done.returncode != 0, f"price_in alone is taken: {line}")
    bench.check("price_out" in done.stdout, done.stdout[-300:])


# --- 16: `check` finds out before the trainings --------------------------------------------------


def checked(bench: Bench, model: Model, *words: str, fine: bool | None = False) -> None:
    """`check` probes the judge by a call or two; ``fine`` None: it may go either way."""
    server = bench.serve(model)
    study = Judged(bench, PRICED | {"base_url": server.base_url})
    done = study.verb("check")
    bench.scored = f"{len(server.posts())} calls"
    bench.check(0 < len(server.posts()) <= 6, f"{len(server.posts())} calls")
    if fine:
        bench.equal(done.returncode, 0, f"status: {done.stdout[-400:]}")
    elif fine is not None:
        bench.check(done.returncode != 0, f"nothing was found: {done.stdout[-300:]}")
    for word in words:
        bench.check(word in done.stdout, f"says nothing of {word}: {done.stdout[-400:]}")
    bench.covered()


@row("16", "check: a judge that takes only its default temperature is found out", quick=True)
def check_temperature(bench: Bench) -> None:
    checked(bench, Model(checks=(refuses_temperature,)), "temperature")


@row("16", "check: a judge without a system role is no problem")
def check_system(bench: Bench) -> None:
    checked(bench, Model(checks=(refuses_system(),)), fine=True)


@row("16", "check: a refused key, an empty account, a model that is not there")
def check_refusals(bench: Bench) -> None:
    root = bench.folder
    for number, (answer, words) in enumerate(
        (
            (refusals.unauthorised(), "OPENAI_API_KEY"),
            (refusals.insufficient_quota(), "quota"),
            (refusals.model_not_found(), "does not exist"),
            (bodies.html_in_200(), "Sign in to Contoso"),
            (refusals.server_error(503), "503"),
        )
    ):
        bench.folder = root / str(number)
        # An outage may be over when the judging begins: it is said, and stops nothing.
        fine = None if number == 4 else False
        checked(bench, Model(checks=(when(lambda call: True, answer),)), words, fine=fine)


@row("16", "check: --no-probe asks nothing")
def check_no_probe(bench: Bench) -> None:
    server = bench.serve(Model())
    study = Judged(bench, PRICED | {"base_url": server.base_url})
    done = study.verb("check", "--no-probe")
    bench.equal((done.returncode, len(server.posts())), (0, 0), "status, calls")


# --- 9: the main configuration's cap -------------------------------------------------------------


@row("9", "snakemake: max_cost is the study set's, over the jobs of all runs")
def snakemake_study_cap(bench: Bench) -> None:
    server = bench.serve(Model(work_s=0.02))
    study = Judged(bench, PRICED | {"base_url": server.base_url, "max_cost": 0.8}).with_answers()
    study.judge("--keep-going")
    study.judge("--keep-going")
    billed = bench.billed()
    bench.scored = f"{billed:.2f} of 0.80"
    bench.check(billed <= 0.8 + 0.25, f"cap 0.80 for the study set, billed {billed:.2f}")
    bench.check(billed > 0.3, f"cap 0.80, billed {billed:.2f}")
    bench.exact()
