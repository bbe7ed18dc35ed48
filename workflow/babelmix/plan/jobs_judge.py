"""Specs and input files of answers, judgements and what is gathered from them."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Literal

from ..config.evaluation import Jury, OpenAIJudge
from ..judge.injection import own_prompts_digest
from ..judge.prompts import FALLBACK
from ..specs import AnswerSpec, BaselineSpec, JudgeSpec, JurySpec, ScoreSpec
from ..stages import STAGE_VERSIONS
from .jobs_base import JobsBase, as_json


def published_files(pattern: str, languages: list[str]) -> list[str]:
    """Files of published judge prompts, one a language (`judge.fastchat_prompts` reads them)."""
    named = [pattern.replace("{lang}", c).replace("{LANG}", c.upper()) for c in languages]
    return list(dict.fromkeys(named))


class JudgeJobs(JobsBase):
    """Jobs from a checkpoint to the report."""

    def checkpoint(self, run: str) -> dict[str, str]:
        """Folder and record of a run's weights (the base model's own when untuned)."""
        job = self.plan.runs[run]
        if job.mixture is None:
            place = self.path(f"models/{job.model}")
        else:
            place = self.path(f"checkpoints/{run}")
        return {"folder": place, "completed": f"{place}.json"}

    def answer(self, benchmark: str, run: str) -> str:
        """Spec of `answer`."""
        section = self.config.benchmarks[benchmark]
        model = self.config.models[self.plan.runs[run].model]
        languages = self.plan.answer_languages(benchmark, run)
        prompts = {c: self.config.languages[c].system_prompt for c in languages}
        return as_json(
            AnswerSpec(
                version=STAGE_VERSIONS["answer"],
                run=run,
                benchmark=benchmark,
                languages=languages,
                device=model.device,
                trust_remote_code=model.trust_remote_code,
                generation=section.generation.without_execution_settings(),
                system_prompts=prompts if section.system_prompt else {},
            )
        )

    def questions(self, benchmark: str, run: str | None = None) -> list[str]:
        """Question files, of the languages a run is asked in."""
        languages = self.config.benchmarks[benchmark].languages
        if run is not None:
            languages = self.plan.answer_languages(benchmark, run)
        return [self.path(f"benchmarks/{benchmark}.{c}.parquet") for c in languages]

    def answers(self, benchmark: str, run: str) -> str:
        """A run's answers to a benchmark."""
        return self.path(f"answers/{benchmark}/{run}.parquet")

    def judge(self, evaluation: str, run: str) -> str:
        """Spec of `judge-single` and `judge-pairs`."""
        plan = self.plan.evaluations[evaluation]
        wanted = plan.evaluation
        judge = self.config.judges[wanted.judge]
        if isinstance(judge, Jury):
            raise TypeError(f"{evaluation}: a jury's members are asked, not the jury")
        by_model = isinstance(judge, OpenAIJudge)
        return as_json(
            JudgeSpec(
                version=STAGE_VERSIONS["judge"],
                run=run,
                benchmark=wanted.benchmark,
                languages=plan.languages_by_run[run],
                protocol=wanted.protocol,
                judge_name=wanted.judge,
                # Host, price, cap and speed come from --config: they change no verdict.
                judge=judge.without_execution_settings(),
                baseline=wanted.baseline,
                all_languages=[] if by_model else list(self.config.languages),
            )
        )

    def judge_input(self, evaluation: str, run: str) -> dict[str, Any]:
        """Answers and questions of one judging job."""
        plan = self.plan.evaluations[evaluation]
        benchmark = plan.evaluation.benchmark
        return {
            "answers": self.answers(benchmark, run),
            "questions": [
                self.path(f"benchmarks/{benchmark}.{c}.parquet") for c in plan.languages_by_run[run]
            ],
        }

    def judge_prompts(self, evaluation: str) -> list[str]:
        """Published prompt files that an evaluation's judge reads: editing one is a new judging."""
        wanted = self.plan.evaluations[evaluation].evaluation
        judge = self.config.judges[wanted.judge]
        if not isinstance(judge, OpenAIJudge) or not judge.prompts:
            return []
        return published_files(judge.prompts, self.config.benchmarks[wanted.benchmark].languages)

    def prompts_digest(self, evaluation: str, run: str) -> str:
        """Digest of what our own judge prompts say in a run's languages; empty for other judges.

        Not the files themselves: a comment in one, or a language that is added, judges nothing
        again.
        """
        plan = self.plan.evaluations[evaluation]
        judge = self.config.judges[plan.evaluation.judge]
        if not isinstance(judge, OpenAIJudge) or judge.prompts:
            return ""
        if judge.prompt_language == "tested":
            return own_prompts_digest(plan.languages_by_run[run])
        return own_prompts_digest([FALLBACK])

    def pairs_input(self, evaluation: str, run: str) -> dict[str, Any]:
        """The same with the baselines' answers, and the choice of the best where there is one."""
        plan = self.plan.evaluations[evaluation]
        benchmark = plan.evaluation.benchmark
        runs = dict.fromkeys(self.plan.baselines(evaluation, run).values())
        inputs = self.judge_input(evaluation, run)
        inputs["baseline_answers"] = [self.answers(benchmark, r) for r in runs]
        if plan.evaluation.baseline == "best_monolingual":
            chooser = plan.chosen_by or evaluation
            inputs["choice"] = [self.path(f"baselines/{chooser}/{run}.json")]
        return inputs

    def evaluations_by(self, kind: Literal["grades", "pairs", "jury"]) -> str:
        """Regular expression of the evaluations that one rule makes: a judge's, or a jury's."""
        found = []
        for name, plan in self.plan.evaluations.items():
            asked = "grades" if plan.evaluation.protocol == "single" else "pairs"
            if kind == ("jury" if plan.members else asked):
                found.append(re.escape(name))
        return "|".join(found) or r"(?!)"  # matches nothing

    def jury(self, evaluation: str, run: str) -> str:
        """Spec of `judge-jury`."""
        plan = self.plan.evaluations[evaluation]
        of = [self.plan.evaluations[name].evaluation.judge for name in plan.members]
        return as_json(
            JurySpec(
                version=STAGE_VERSIONS["judge"],
                run=run,
                judge_name=plan.evaluation.judge,
                members=of,
                languages=plan.languages_by_run[run],
            )
        )

    def judging_verb(self, evaluation: str) -> str:
        """The verb that makes an evaluation's judgements."""
        plan = self.plan.evaluations[evaluation]
        if plan.members:
            return "judge-jury"
        return "judge-single" if plan.evaluation.protocol == "single" else "judge-pairs"

    def judgement(self, evaluation: str, run: str) -> str:
        """Spec of the verb that makes a run's judgements."""
        if self.plan.evaluations[evaluation].members:
            return self.jury(evaluation, run)
        return self.judge(evaluation, run)

    def chosen_baselines(self) -> list[str]:
        """Records of the baselines that grades choose."""
        found = [
            file
            for name, plan in self.plan.evaluations.items()
            if plan.evaluation.baseline == "best_monolingual" and not plan.members
            for run in plan.languages_by_run
            for file in self.pairs_input(name, run).get("choice", [])
        ]
        return list(dict.fromkeys(found))

    def jury_input(self, evaluation: str, run: str) -> list[str]:
        """The members' judgements, in their order."""
        members = self.plan.evaluations[evaluation].members
        return [self.path(f"judgements/{name}/{run}.parquet") for name in members]

    def baseline_map(self, evaluation: str, run: str) -> str:
        """Baseline run by language (JSON; empty where it is chosen by grades)."""
        if self.plan.evaluations[evaluation].evaluation.baseline == "best_monolingual":
            return "{}"
        return json.dumps(self.plan.baselines(evaluation, run))

    def baseline_option(self, evaluation: str, run: str) -> str:
        """The option that names the chosen baseline, where grades choose it."""
        choice = self.pairs_input(evaluation, run).get("choice", [])
        return f"--baseline-json {shlex.quote(choice[0])}" if choice else ""

    def choose_baseline(self, evaluation: str, run: str) -> str:
        """Spec of `choose-baseline`."""
        single = self.plan.single_evaluation(evaluation)
        wanted = self.plan.evaluations[single].evaluation
        return as_json(
            BaselineSpec(
                version=STAGE_VERSIONS["baseline"],
                benchmark=wanted.benchmark,
                judge_name=wanted.judge,
                runs=sorted(set(self.plan.baselines(evaluation, run).values())),
            )
        )

    def choose_baseline_input(self, evaluation: str, run: str) -> list[str]:
        """Single grades of the candidates."""
        single = self.plan.single_evaluation(evaluation)
        candidates = sorted(set(self.plan.baselines(evaluation, run).values()))
        return [self.path(f"judgements/{single}/{r}.parquet") for r in candidates]

    def score(self, benchmark: str, run: str) -> str:
        """Spec of `score`."""
        return as_json(
            ScoreSpec(
                version=STAGE_VERSIONS["score"],
                run=run,
                benchmark=benchmark,
                languages=self.plan.answer_languages(benchmark, run),
                all_languages=list(self.config.languages),
            )
        )

    def all_answers(self) -> list[str]:
        """Every set of answers."""
        return [self.answers(b, r) for b, r in self.plan.answer_sets()]

    def all_scores(self) -> list[str]:
        """Scores of every set of answers."""
        return [self.path(f"scores/{b}/{r}.parquet") for b, r in self.plan.answer_sets()]

    def all_judgements(self) -> list[str]:
        """Judgements of every evaluation and run."""
        return [
            self.path(f"judgements/{name}/{run}.parquet")
            for name, plan in self.plan.evaluations.items()
            for run in plan.languages_by_run
        ]

    def targets(self) -> dict[str, list[str]]:
        """What a mixture's name stands for on the command line: all that is made of it alone.

        A name is the mixture's own, one of its other names, or a paper's spelling of it (then of
        every family that makes one).
        """
        made: dict[str, list[str]] = {
            m: [self.path(f"mixtures/{m}.manifest.json")] for m in self.plan.mixtures
        }
        for name, plan in self.plan.evaluations.items():
            for run in plan.languages_by_run:
                if mixture := self.plan.runs[run].mixture:
                    made[mixture].append(self.path(f"judgements/{name}/{run}.parquet"))
        for benchmark, run in self.plan.answer_sets():
            if mixture := self.plan.runs[run].mixture:
                made[mixture].append(self.path(f"scores/{benchmark}/{run}.parquet"))
        for held_out, held in self.plan.likelihoods.items():
            for run in held.runs:
                if mixture := self.plan.runs[run].mixture:
                    made[mixture].append(self.path(f"likelihoods/{held_out}/{run}.parquet"))
        expansion = self.plan.expansion
        found: dict[str, list[str]] = {}
        for family, names in expansion.families.items():
            for name in names:
                files = made.get(expansion.canonical[name], [])
                for target in {name, name.removeprefix(f"{family}-")} if files else ():
                    found.setdefault(target, []).extend(files)
        return {name: list(dict.fromkeys(files)) for name, files in found.items()}

    def all_manifests(self) -> list[str]:
        """Manifests of every mixture."""
        return [self.path(f"mixtures/{m}.manifest.json") for m in self.plan.mixtures]

    def all_audits(self) -> list[str]:
        """Audits of every language of every pool."""
        return [
            self.path(f"conversations/{d}.{c}.audit.json")
            for d in self.plan.datasets
            for c in self.plan.dataset(d).languages
        ]

    def all_metrics(self) -> list[str]:
        """Training curves."""
        return [
            self.path(f"checkpoints/{r.name}.metrics.jsonl")
            for r in self.plan.runs.values()
            if r.mixture
        ]

    def human_labels(self) -> list[str]:
        """Files of human labels, as the configuration names them."""
        return self.config.human_labels

    def all_questions(self) -> list[str]:
        """Question files of every benchmark."""
        return [f for b in self.plan.benchmarks for f in self.questions(b)]
