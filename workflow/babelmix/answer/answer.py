"""Verb ``answer``: one run answers one benchmark in all its languages, turn by turn.

Turns go in waves: all first turns, then all second turns, each after the model's own answer to the
first. Several samples of a question are dialogues of their own. One load of the model serves all
languages.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import BabelmixError
from ..io import digest, read_records, write_json, write_records
from ..options import add_settings, read_settings
from ..progress import Progress
from ..records import Answer, Question
from ..service import spending_folder
from ..specs import AnswerSpec
from .batches import Prompt
from .codec import load_codec
from .holding import (
    claimed_gpus,
    load_engine,
    load_formatter,
    resuming,
    serving_job,
    with_runtime,
)

if TYPE_CHECKING:
    from .engine import Completion, Engine

Chat = list[dict[str, str]]
#: Share of repeated word 4-grams above which an answer runs in a circle.
LOOPING = 0.5


class Renderer(Protocol):
    """Renders chats with a checkpoint's template (``train.chat.Formatter`` does)."""

    def render(self, messages: Chat, *, prompt: bool = False) -> str: ...

    def tokens(self, text: str) -> list[int]: ...

    @property
    def control_tokens(self) -> list[str]: ...


def answer_questions(
    spec: AnswerSpec,
    questions: Sequence[Question],
    renderer: Renderer,
    engine: Engine,
    notes: Counter[str] | None = None,
) -> list[Answer]:
    """All turns of all questions, sorted by language, question, sample and turn.

    ``notes`` counts what the answers do not show: ``control_tokens``, answers with control tokens
    that their text leaves out.

    A question asked at temperature 0 is asked once: its answer stands for all samples. A turn whose
    prompt does not fit the model is an answer with ``finish_reason`` ``error`` and no text, and so
    is every turn after it.
    """
    chosen = _select(questions, spec)
    samples = spec.generation.samples
    drawn = [question for question in chosen if _temperature(spec, question.category) > 0]
    dialogues = [
        _Dialogue(question, _opening(question, spec), sample)
        for sample in range(samples)
        for question in (drawn if sample else chosen)
    ]
    answers: list[Answer] = []
    notes = Counter() if notes is None else notes
    total = sum(len(dialogue.question.turns) for dialogue in dialogues)
    with Progress(f"answer {spec.run}", total, "turn") as progress:
        for turn in range(1, max((len(q.turns) for q in chosen), default=0) + 1):
            due = [dialogue for dialogue in dialogues if len(dialogue.question.turns) >= turn]
            answers += _wave(spec, due, turn, renderer, engine, progress.update, notes)
    assert len(answers) == total
    greedy = [answer for answer in answers if _temperature(spec, answer.category) == 0]
    answers += [replace(answer, sample=k) for answer in greedy for k in range(1, samples)]
    return sorted(answers, key=lambda a: (a.lang, a.question_id, a.sample, a.turn))


@dataclass(slots=True)
class _Dialogue:
    """One sample of a question's dialogue so far; ``failed`` once a turn could not be answered."""

    question: Question
    chat: Chat
    sample: int = 0
    failed: bool = False


def _wave(
    spec: AnswerSpec,
    due: Sequence[_Dialogue],
    turn: int,
    renderer: Renderer,
    engine: Engine,
    on_done: Callable[[int], object],
    notes: Counter[str],
) -> list[Answer]:
    """Ask one turn of all dialogues; their chats grow by the question and the model's answer."""
    texts, prompts = [], []
    for dialogue in due:
        asked_text = harmless(dialogue.question.turns[turn - 1], renderer.control_tokens)
        dialogue.chat.append({"role": "user", "content": asked_text})
        texts.append(renderer.render(dialogue.chat, prompt=True))
        temperature = _temperature(spec, dialogue.question.category)
        ids = renderer.tokens(texts[-1])
        prompts.append(Prompt(ids, temperature, texts[-1], dialogue.sample))
    asked = [k for k, dialogue in enumerate(due) if not dialogue.failed]
    on_done(len(due) - len(asked))
    completions = engine.complete([prompts[k] for k in asked], on_done)
    written = dict(zip(asked, completions, strict=True))
    notes["control_tokens"] += sum(completion.dropped > 0 for completion in completions)
    answers = []
    for k, dialogue in enumerate(due):
        answer = _record(spec, dialogue.question, turn, texts[k], prompts[k], written.get(k))
        said = harmless(answer.text, renderer.control_tokens)
        dialogue.chat.append({"role": "assistant", "content": said})
        dialogue.failed = answer.finish_reason == "error"
        answers.append(answer)
    return answers


def harmless(text: str, control_tokens: Sequence[str]) -> str:
    """The text with a space in each control token's name, so that it is read as text.

    A question that spells `</s>` must not end the turn that it stands in. The record keeps the
    question as it was asked.
    """
    for token in control_tokens:
        if token in text:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
    return text


def _select(questions: Sequence[Question], spec: AnswerSpec) -> list[Question]:
    """Questions of the spec's languages, each once, in a fixed order."""
    chosen = [question for question in questions if question.lang in spec.languages]
    counts = Counter((question.lang, question.question_id) for question in chosen)
    doubled = sorted(key for key, count in counts.items() if count > 1)
    if doubled:
        lang, question_id = doubled[0]
        raise BabelmixError(
            f"Question {question_id} ({lang}) is given twice: is a questions file named twice?"
        )
    missing = sorted(set(spec.languages) - {question.lang for question in chosen})
    if missing:
        raise BabelmixError(
            f"No questions in {', '.join(missing)}: name their files in --questions."
        )
    return sorted(chosen, key=lambda question: (question.lang, question.question_id))


def _opening(question: Question, spec: AnswerSpec) -> Chat:
    """The system prompt of the question's language, where the benchmark uses one."""
    system = spec.system_prompts.get(question.lang, "")
    return [{"role": "system", "content": system}] if system else []


def _temperature(spec: AnswerSpec, category: str) -> float:
    generation = spec.generation
    return generation.temperature_by_category.get(category, generation.temperature)


def _record(
    spec: AnswerSpec,
    question: Question,
    turn: int,
    text: str,
    prompt: Prompt,
    completion: Completion | None,
) -> Answer:
    """One answer; without a completion (an earlier turn failed) it is an error."""
    return Answer(
        question_id=question.question_id,
        lang=question.lang,
        category=question.category,
        turn=turn,
        run=spec.run,
        question=question.turns[turn - 1],
        text=completion.text if completion else "",
        finish_reason=completion.finish_reason if completion else "error",
        n_prompt_tokens=len(prompt.ids),
        n_tokens=completion.n_tokens if completion else 0,
        prompt_sha=digest(text),
        sample=prompt.sample,
    )


def is_looping(text: str) -> bool:
    """Whether most of a longer text was said before in it."""
    from ..analyse.score import repetition

    return len(text) >= 80 and (repetition(text) or 0.0) > LOOPING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, AnswerSpec)
    parser.add_argument(
        "--questions", required=True, nargs="+", type=Path, help="questions, one file a language"
    )
    parser.add_argument("--checkpoint", required=True, type=Path, help="folder of the model")
    parser.add_argument(
        "--completed", required=True, type=Path, help="JSON written when the folder was complete"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--output", required=True, type=Path, help="answers (parquet)")
    parser.add_argument(
        "--journal", type=Path, help="answers so far, for a job that was killed (kept between runs)"
    )
    parser.add_argument("--manifest", type=Path, help="counts (JSON)")
    parser.add_argument(
        "--config",
        type=Path,
        help="configuration (JSON) from which a served model's host, price, cap and speed are "
        "taken; left out, the resolved one of the study set that the journal is in",
    )


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    from jinja2 import TemplateError

    from ..folders import check_model

    spec = read_settings(args, AnswerSpec)
    spec = with_runtime(spec, args.config, args.journal)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    questions = [row for path in args.questions for row in read_records(path, Question)]
    formatter = load_formatter(args.checkpoint, args.completed)
    codec = load_codec(args.checkpoint, formatter)
    if spec.generation.engine != "openai":  # a server holds weights of its own
        check_model(args.checkpoint, args.completed)
    notes: Counter[str] = Counter()
    with claimed_gpus(spec), serving_job(args, spec) as spec:
        folder = spending_folder(args.journal) if args.journal else None
        engine = load_engine(spec, args.checkpoint, codec, args.threads, folder)
        try:
            with resuming(args, spec, engine, codec) as resumed:
                answers = answer_questions(spec, questions, formatter, resumed, notes)
        except TemplateError as error:
            raise BabelmixError(
                f"{args.checkpoint}: its chat template does not take these questions ({error}). If "
                "it knows no system prompt, set the benchmark's `system_prompt: false`."
            ) from None
    reasons = Counter(answer.finish_reason for answer in answers)
    counts = {
        "answers": len(answers),
        "finish_reasons": dict(reasons),
        "empty": sum(not answer.text for answer in answers),
        "looping": sum(is_looping(answer.text) for answer in answers),
        "tokens": sum(answer.n_tokens for answer in answers),
        "control_tokens": notes["control_tokens"],
    }
    assert len(answers) == sum(reasons.values())
    write_records(args.output, answers, Answer)
    if args.manifest:
        write_json(args.manifest, {"run": spec.run, "benchmark": spec.benchmark, **counts})
    print(
        f"{spec.run}: {len(answers)} answers to {spec.benchmark} in {len(spec.languages)} "
        f"languages ({reasons['stop']} stopped, {reasons['length']} cut at the limit, "
        f"{reasons['error']} did not fit, {counts['empty']} empty, {counts['looping']} looping, "
        f"{counts['control_tokens']} with control tokens that their text leaves out)"
    )
