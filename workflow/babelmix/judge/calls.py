"""From tasks to judgements: journalled calls, so that no verdict is ever bought twice.

A journal entry holds the raw reply under the digest of all that it depends on: model, sampling
parameters, messages; not host, port or key. Verdicts are read from the raw text after the journal,
so that a better parser costs no call. Failed calls are not journalled: the next run asks again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config.evaluation import OpenAIJudge
from ..io import Journal, digest, entries_elsewhere
from ..records import Answer, Judgement
from ..service import (
    ChatService,
    Failure,
    Reply,
    Request,
    ask_in_batches,
    require_complete,
    spending_folder,
)
from ..service.budget import require_confirmation, spoken_price
from ..service.endings import normal_ending
from ..specs import JudgeSpec
from .cost import estimate_messages
from .fastchat_prompts import load_fastchat_prompts
from .injection import neutralise
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
    finish_reason: str = ""
    model: str = ""
    fingerprint: str = ""
    neutralised: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What a job did: calls made now, calls taken from the journal, calls that failed."""

    asked: int
    reused: int
    failed: int


def judge_tasks(
    spec: JudgeSpec, tasks: Sequence[Task], journal_path: Path, former: Sequence[Path] = ()
) -> tuple[list[Judgement], Tally]:
    """Judge the tasks by the configured judge; one judgement per task, in the tasks' order.

    ``former``: journals of judges and runs under earlier names. A reply that they hold to the very
    messages, from the same model with the same settings, is taken over, not bought again.
    """
    if isinstance(spec.judge, OpenAIJudge):
        raws, tally = _ask_model(spec, spec.judge, tasks, journal_path, former)
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
    # Keys that came later count only where they are set: earlier replies stay known.
    if sampling := judge.sampling():
        depends_on["sampling"] = sampling
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


def harmless(task: Task, published: str | None = None) -> tuple[Task, int]:
    """Return the task with its answers' delimiters neutralised, and how many there were."""
    total = 0

    def clean(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
        nonlocal total
        made = []
        for answer in answers:
            text, count = neutralise(answer.text, published, task.question.lang)
            total += count
            made.append(replace(answer, text=text) if count else answer)
        return tuple(made)

    answers, others = clean(task.answers), clean(task.baseline_answers)
    return replace(task, answers=answers, baseline_answers=others), total


def _ask_model(
    spec: JudgeSpec,
    judge: OpenAIJudge,
    tasks: Sequence[Task],
    journal_path: Path,
    former: Sequence[Path],
) -> tuple[list[Raw], Tally]:
    """Take replies from the journal, buy those that are missing, and put them in order."""
    shown = [harmless(task, judge.prompts) for task in tasks]
    messages = [
        None if task.unscored else render(task, spec.protocol, judge.prompt_language, judge.prompts)
        for task, _ in shown
    ]
    service = ChatService(judge, f"judges.{spec.judge_name}", spending_folder(journal_path))
    with Journal(journal_path) as journal:
        service.recall(journal.entries.values())
        _take_over_probe(judge, journal, former)
        form, failed = _form(service, spec.protocol, journal, [m for m in messages if m])
        keys = [None if m is None else call_key(judge, m, form) for m in messages]
        wanted = {
            k: m for k, m in zip(keys, messages, strict=True) if k is not None and m is not None
        }
        _take_over(journal, former, [key for key in wanted if key not in journal])
        held = {key: entry for key in wanted if (entry := journal.get(key)) and _says(entry)}
        known = list(held.values())
        options = {} if form is None else {"response_format": form}
        missing = [Request(k, m, options=options) for k, m in wanted.items() if k not in held]
        if failed is None:
            _announce(service, missing, len(known))
            failures = _ask(service, judge, missing, journal, known)
        else:
            failures = {request.key: failed for request in missing}
        require_complete(judge, failures, len(wanted), service.where)
        entries = {key: journal.entries[key] for key in wanted if key not in failures}
    paid: set[str] = set()
    raws = []
    for task, key, (_, count) in zip(tasks, keys, shown, strict=True):
        if key is None:
            raws.append(Raw(key=_task_key(spec, task), failure=task.unscored))
        elif key in entries:
            # Two tasks with the same messages share one call: its price is counted once.
            raw = _from_entry(entries[key], charge=key not in paid)
            raws.append(replace(raw, neutralised=count))
            paid.add(key)
        else:
            raws.append(Raw(key=key, failure=failures[key].reason, neutralised=count))
    return raws, Tally(len(missing) - len(failures), len(known), len(failures))


def _take_over(journal: Journal, former: Sequence[Path], keys: Sequence[str]) -> None:
    """Copy entries of earlier journals into this one, and say how many."""
    entries = entries_elsewhere(former, keys)
    if entries:
        journal.extend(entries.values())
        print(f"{len(entries)} replies taken over from journals of earlier names", file=sys.stderr)


def _take_over_probe(judge: OpenAIJudge, journal: Journal, former: Sequence[Path]) -> None:
    """What a probe of the server has shown: it is a paid call as well."""
    key = probe_request(judge).key
    if key not in journal:
        journal.extend(entries_elsewhere(former, [key]).values())


def _says(entry: dict[str, Any]) -> bool:
    """Whether a journal's entry is a reply: an empty one that was not cut is asked for again."""
    return bool(entry["text"].strip()) or bool(entry["truncated"])


def _form(
    service: ChatService, protocol: str, journal: Journal, messages: Sequence[Messages]
) -> tuple[Format | None, Failure | None]:
    """The form of replies, where the server keeps to one; and why nothing can be asked, if so."""
    judge = service.settings
    assert isinstance(judge, OpenAIJudge)
    if judge.structured == "never" or not messages:
        return None, None
    if probe_request(judge).key not in journal:  # a probe is a call: the job must be agreed to
        _confirm(service, messages)
    kept, failed = probe(service, journal)
    return (verdict_format(protocol) if kept else None), failed


def _ask(
    service: ChatService,
    judge: OpenAIJudge,
    missing: Sequence[Request],
    journal: Journal,
    known: Iterable[dict[str, Any]],
) -> dict[str, Failure]:
    """Buy the missing replies, in the judge's mode; return the failures."""

    def keep(reply: Reply) -> None:
        journal.hand_over(reply.entry())

    if not missing:
        return {}
    for entry in known:
        service.watch(entry["text"], "length" if entry["truncated"] else "stop")
    if judge.mode == "realtime":
        return service.ask(missing, keep, journal.sync)
    notes = journal.path.with_suffix(".batches.jsonl")
    return ask_in_batches(service, missing, keep, notes, journal.sync)


def _confirm(service: ChatService, messages: Sequence[Messages]) -> str:
    """Refuse a job that costs more than agreed; else say what it will take."""
    judge, spent = service.settings, service.ledger.total() if service.ledger else 0.0
    assert isinstance(judge, OpenAIJudge)
    estimate = estimate_messages(judge, messages)
    require_confirmation(judge, estimate, service.price, service.where, spent)
    price = spoken_price(service.price)
    return (
        f"about {estimate.tokens_in:,} + {estimate.tokens_out:,} tokens, "
        f"{estimate.dollars or 0.0:.2f} US dollars ({price}) after {spent:.2f} spent before"
    )


def _announce(service: ChatService, missing: Sequence[Request], known: int) -> None:
    """Say what the job will take before the first call; stop where it costs more than agreed."""
    taken = _confirm(service, [request.messages for request in missing])
    if missing:
        told = f"{len(missing):,} calls to make, {known:,} in the journal; {taken}"
        print(f"{service.where} ({service.model}): {told}", file=sys.stderr)


def _from_entry(entry: dict[str, Any], charge: bool) -> Raw:
    # Older journals hold the server's own word, and know `length` alone as a cut.
    ending = "length" if entry["truncated"] else normal_ending(entry.get("finish_reason"))
    return Raw(
        key=entry["key"],
        text=entry["text"],
        truncated=ending == "length",
        finish_reason=ending,
        model=entry.get("model", ""),
        fingerprint=entry.get("fingerprint", ""),
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
        finish_reason=raw.finish_reason,
        model=raw.model,
        fingerprint=raw.fingerprint,
        neutralised=raw.neutralised,
    )


def summarise(judgements: Iterable[Judgement]) -> dict[str, Any]:
    """Counts for the manifest: scored, and unscored by reason; they add up, or it is our error."""
    total = scored = 0
    reasons: dict[str, int] = {}
    cost, models = 0.0, dict[str, int]()
    suspected = 0
    for judgement in judgements:
        total += 1
        cost += judgement.cost
        suspected += judgement.neutralised > 0
        if judgement.model:
            models[judgement.model] = models.get(judgement.model, 0) + 1
        if judgement.unscored_reason is None:
            scored += 1
        else:
            reason = judgement.unscored_reason.split(":")[0]
            reasons[reason] = reasons.get(reason, 0) + 1
    assert total == scored + sum(reasons.values())
    counts = {"judgements": total, "scored": scored, "unscored": reasons, "cost": round(cost, 6)}
    return counts | {"models": models, "suspected_injections": suspected}
