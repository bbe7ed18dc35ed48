"""From tasks to judgements: journalled calls, so that no verdict is ever bought twice.

A journal entry holds the raw reply under the digest of all that it depends on: model, sampling
parameters, messages; not host, port or key. Verdicts are read from the raw text after the journal,
so that a better parser costs no call. Failed calls are not journalled: the next run asks again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.evaluation import OpenAIJudge
from ..io import Journal, digest
from ..records import Judgement
from ..specs import JudgeSpec
from .budget import Budget
from .client import Reply, Request, ask_all
from .cost import estimate_messages, require_confirmation
from .fastchat_prompts import load_fastchat_prompts
from .prices import price_of
from .prompts import FALLBACK, Messages, load_prompts
from .rules import RulesReferee
from .schema import Format, probe, probe_request, verdict_format
from .tasks import Task
from .verdict import parse_preference, parse_rating


@dataclass(frozen=True, slots=True)
class Raw:
    """A judge's reply to one task, or why there is none."""

    key: str
    text: str = ""
    truncated: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What a job did: calls made now, calls taken from the journal, calls that failed."""

    asked: int
    reused: int
    failed: int


def judge_tasks(
    spec: JudgeSpec, tasks: Sequence[Task], journal_path: Path
) -> tuple[list[Judgement], Tally]:
    """Judge the tasks by the configured judge; one judgement a task, in the tasks' order."""
    if isinstance(spec.judge, OpenAIJudge):
        raws, tally = _ask_model(spec, spec.judge, tasks, journal_path)
    else:
        raws, tally = _apply_rules(spec, tasks)
    judgements = [_judgement(spec, task, raw) for task, raw in zip(tasks, raws, strict=True)]
    return judgements, tally


def call_key(judge: OpenAIJudge, messages: Messages, form: Format | None = None) -> str:
    """The journal key of one call; ``form`` is its structured output's, if it has any."""
    depends_on: dict[str, Any] = {
        "model": judge.model,
        "temperature": judge.temperature,
        "max_tokens": judge.max_tokens,
        "messages": messages,
    }
    return digest(depends_on if form is None else depends_on | {"response_format": form})


def render(
    task: Task, protocol: str, prompt_language: str, published: str | None = None
) -> Messages:
    """The messages of one task, in the tested language or in English.

    ``published``: the path of FastChat's own prompts, in place of ours.
    """
    lang = task.question.lang if prompt_language == "tested" else FALLBACK
    prompts = load_fastchat_prompts(published, lang) if published else load_prompts(lang)
    reference = task.question.reference[: task.turn]
    run_texts = [answer.text for answer in task.answers]
    if not task.order:
        return prompts.single(task.questions, run_texts, reference)
    baseline_texts = [answer.text for answer in task.baseline_answers]
    first, second = run_texts, baseline_texts
    if task.order == "BA":
        first, second = second, first
    return prompts.pair(protocol, task.questions, first, second, reference)


def _ask_model(
    spec: JudgeSpec, judge: OpenAIJudge, tasks: Sequence[Task], journal_path: Path
) -> tuple[list[Raw], Tally]:
    """Take replies from the journal, buy those that are missing, and put them in order."""
    messages = [
        None if task.unscored else render(task, spec.protocol, judge.prompt_language, judge.prompts)
        for task in tasks
    ]
    with Journal(journal_path) as journal:
        form, obstacle = _form(judge, spec.protocol, journal, [m for m in messages if m])
        keys = [None if m is None else call_key(judge, m, form) for m in messages]
        wanted = {
            k: m for k, m in zip(keys, messages, strict=True) if k is not None and m is not None
        }
        known = [key for key in wanted if key in journal]
        probed = [key for key in [probe_request(judge).key] if key in journal]
        spent = sum(journal.entries[key]["cost"] for key in [*known, *probed])
        missing = [Request(key, wanted[key], form) for key in wanted if key not in journal]
        if obstacle is None:
            _announce(judge, missing, len(known))
            failures = _ask(judge, missing, journal, spent)
        else:
            failures = dict.fromkeys((request.key for request in missing), obstacle)
        entries = {key: journal.entries[key] for key in wanted if key in journal}
    paid: set[str] = set()
    raws = []
    for task, key in zip(tasks, keys, strict=True):
        if key is None:
            raws.append(Raw(key=_task_key(spec, task), failure=task.unscored))
        elif key in entries:
            # Two tasks with the same messages share one call: its price is counted once.
            raws.append(_from_entry(entries[key], charge=key not in paid))
            paid.add(key)
        else:
            raws.append(Raw(key=key, failure=failures[key]))
    return raws, Tally(len(missing) - len(failures), len(known), len(failures))


def _form(
    judge: OpenAIJudge, protocol: str, journal: Journal, messages: Sequence[Messages]
) -> tuple[Format | None, str | None]:
    """The form of replies, where the server keeps to one; and why nothing can be asked, if so."""
    if judge.structured == "never" or not messages:
        return None, None
    if probe_request(judge).key not in journal:  # a probe is a call: the job must be agreed to
        require_confirmation(judge, estimate_messages(judge, messages))
    kept, obstacle = probe(judge, journal)
    return (verdict_format(protocol) if kept else None), obstacle


def _ask(
    judge: OpenAIJudge, missing: Sequence[Request], journal: Journal, spent: float
) -> dict[str, str]:
    """Buy the missing replies, in the judge's mode; the reasons of those that failed."""
    keep = _keeper(journal, judge)
    if judge.mode == "realtime":
        return ask_all(judge, missing, keep, spent, journal.sync, journal.path.parent)
    from .batch import affordable, ask_in_batches

    budget = Budget(judge)
    kept, left = affordable(judge, missing, lambda r: budget.worst_case(r.messages), spent)
    notes = journal.path.with_suffix(".batches.jsonl")
    return left | (ask_in_batches(judge, kept, keep, notes, journal.sync) if kept else {})


def _announce(judge: OpenAIJudge, missing: Sequence[Request], known: int) -> None:
    """Say what the job will take before the first call; stop where it costs more than agreed."""
    estimate = estimate_messages(judge, [request.messages for request in missing])
    require_confirmation(judge, estimate)
    if missing:
        price = price_of(judge)
        money = f"{estimate.dollars:.2f} US dollars ({price.source})" if price.known else "no price"
        print(
            f"{judge.model}: {estimate.calls:,} calls to make, {known:,} in the journal; about "
            f"{estimate.tokens_in:,} + {estimate.tokens_out:,} tokens, {money}",
            file=sys.stderr,
        )


def _keeper(journal: Journal, judge: OpenAIJudge) -> Callable[[Reply], None]:
    """Write each reply to the journal as it comes."""

    def keep(reply: Reply) -> None:
        journal.hand_over(reply.entry(judge.model))

    return keep


def _from_entry(entry: dict[str, Any], charge: bool) -> Raw:
    return Raw(
        key=entry["key"],
        text=entry["text"],
        truncated=entry["truncated"],
        tokens_in=entry["tokens_in"] if charge else 0,
        tokens_out=entry["tokens_out"] if charge else 0,
        cost=entry["cost"] if charge else 0.0,
    )


def _apply_rules(spec: JudgeSpec, tasks: Sequence[Task]) -> tuple[list[Raw], Tally]:
    """The rules judge: the same records, no call, no price."""
    referee = RulesReferee(spec.all_languages)
    raws = []
    for task in tasks:
        key = _task_key(spec, task)
        if task.unscored:
            raws.append(Raw(key=key, failure=task.unscored))
        else:
            raws.append(Raw(key=key, text=referee.judge(task, spec.protocol)))
    return raws, Tally(0, 0, 0)


def _task_key(spec: JudgeSpec, task: Task) -> str:
    """The key of a judgement that no call stands behind."""
    return digest(
        {
            "judge": spec.judge.model_dump(mode="json", include={"engine", "model"}),
            "protocol": spec.protocol,
            "order": task.order,
            "languages": sorted(spec.all_languages),
            "question": [task.question.lang, task.question.question_id, task.questions],
            "reference": task.question.reference[: task.turn],
            "answers": [[a.text, a.finish_reason] for a in task.answers],
            "baseline": [[a.text, a.finish_reason] for a in task.baseline_answers],
        }
    )


def _judgement(spec: JudgeSpec, task: Task, raw: Raw) -> Judgement:
    """Read the verdict and write the record; a failure is unscored with its reason."""
    score: float | None = None
    verdict: str | None = None
    strength = ""
    reason = raw.failure
    finish_reason = "length" if raw.truncated else None
    if reason is None and not task.order:
        rating = parse_rating(raw.text, finish_reason=finish_reason)
        score, reason = rating.value, rating.reason
    elif reason is None:
        preference = parse_preference(raw.text, finish_reason=finish_reason)
        verdict, reason = preference.value, preference.reason
        strength = preference.strength or ""
    return Judgement(
        key=raw.key,
        question_id=task.question.question_id,
        lang=task.question.lang,
        category=task.question.category,
        turn=task.turn,
        run=spec.run,
        baseline=task.baseline,
        protocol=spec.protocol,
        order=task.order,
        judge=spec.judge_name,
        score=score,
        verdict=verdict,
        unscored_reason=reason,
        raw=raw.text,
        tokens_in=raw.tokens_in,
        tokens_out=raw.tokens_out,
        cost=raw.cost,
        sample=task.sample,
        strength=strength,
    )


def summarise(judgements: Iterable[Judgement]) -> dict[str, Any]:
    """Counts for the manifest: scored, and unscored by reason; they add up, or it is our error."""
    total = scored = 0
    reasons: dict[str, int] = {}
    cost = 0.0
    for judgement in judgements:
        total += 1
        cost += judgement.cost
        if judgement.unscored_reason is None:
            scored += 1
        else:
            reason = judgement.unscored_reason.split(":")[0]
            reasons[reason] = reasons.get(reason, 0) + 1
    assert total == scored + sum(reasons.values())
    return {"judgements": total, "scored": scored, "unscored": reasons, "cost": round(cost, 6)}
