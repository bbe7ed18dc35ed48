"""Judges: the prompts that a configuration names must be there, and know the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...config.evaluation import OpenAIJudge
from ...config.sources import QUESTION_ADAPTERS
from ...errors import BabelmixError
from ...judge.fastchat_prompts import load_fastchat_prompts
from ...judge.prompts import FALLBACK
from ..graph import Plan
from ..quantities import n_turns


def judge_problems(plan: Plan) -> list[str]:
    """Return what published judge prompts do not offer: a file, a protocol, a third turn."""
    problems = []
    for planned in plan.evaluations.values():
        name = planned.evaluation.judge
        judge = plan.config.judges[name]
        if not isinstance(judge, OpenAIJudge) or not judge.prompts:
            continue
        turns = n_turns(plan, planned.evaluation.benchmark)
        source = plan.config.benchmarks[planned.evaluation.benchmark].source
        referenced = source is not None and (
            plan.config.sources[source].adapter in QUESTION_ADAPTERS
        )
        languages = {c for asked in planned.languages_by_run.values() for c in asked}
        if judge.prompt_language == "en":
            languages = {FALLBACK}
        for lang in sorted(languages):
            try:
                for questions in _dialogues(turns):
                    for reference in ([], ["reference"] * len(questions))[: 1 + referenced]:
                        _render(
                            judge.prompts, lang, planned.evaluation.protocol, questions, reference
                        )
            except BabelmixError as error:
                problems.append(f"judges.{name}.prompts, in '{lang}': {error}")
    return problems


def _dialogues(turns: int) -> Iterator[Sequence[str]]:
    return ([f"question {n + 1}" for n in range(count)] for count in range(1, turns + 1))


def _render(
    pattern: str, lang: str, protocol: str, questions: Sequence[str], reference: Sequence[str]
) -> None:
    """Render a probe as the judging jobs will."""
    prompts = load_fastchat_prompts(pattern, lang)
    answers = ["answer"] * len(questions)
    if protocol == "single":
        prompts.single(questions, answers, reference)
    else:
        prompts.pair(protocol, questions, answers, answers, reference)
