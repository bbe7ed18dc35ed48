"""Verb ``score``: what can be measured of an answer without a judge.

In: one run's answers to one benchmark. Out: one row a turn and metric.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import BabelmixError
from ..io import read_records, write_records
from ..options import add_settings, read_settings
from ..records import Answer, Score
from ..specs import ScoreSpec
from .confusion import line_pass, word_pass
from .language import UNSURE, Result, answer_languages, line_languages

#: Metrics of this verb, in the order of the output.
METRICS = (
    "answer_language",
    "line_language",
    "line_pass",
    "word_pass",
    "empty",
    "cut",
    "repetition",
    "length_chars",
)
#: Answers whose languages are found together.
_AT_ONCE = 2000
#: Words of the n-grams that repetition is measured on; shorter answers are not measured.
_NGRAM = 4


def repetition(text: str) -> float | None:
    """Share of a text's word 4-grams that occurred before in it, 0 … 1.

    None where there are none. Text without spaces (Chinese, Japanese) is taken by the character.
    """
    units: Sequence[str] = text.split()
    if len(text) > 12 * max(len(units), 1):
        units = "".join(units)
    grams = [tuple(units[i : i + _NGRAM]) for i in range(len(units) - _NGRAM + 1)]
    if not grams:
        return None
    return 1.0 - len(set(grams)) / len(grams)


def score_answer(answer: Answer, benchmark: str, whole: Result, lines: Result) -> Iterator[Score]:
    """All metrics of one answered turn, its language by the whole and by lines found before.

    An answer that failed with an error counts as empty.
    """
    text = answer.text
    repeated = repetition(text)
    passed = line_pass(text, answer.lang)
    values: dict[str, Result] = {
        "answer_language": whole,
        "line_language": lines,
        "line_pass": passed,
        "word_pass": word_pass(text, answer.lang, passed),
        "empty": (float(not text.strip()), None),
        "cut": (float(answer.finish_reason == "length"), None),
        "repetition": (repeated, None if repeated is not None else "short"),
        "length_chars": (float(len(text)), None),
    }
    for metric in METRICS:
        value, reason = values[metric]
        yield Score(
            run=answer.run,
            benchmark=benchmark,
            question_id=answer.question_id,
            lang=answer.lang,
            category=answer.category,
            turn=answer.turn,
            metric=metric,
            judge="",
            value=value,
            reason=reason,
            sample=answer.sample,
        )


def score_answers(answers: Sequence[Answer], spec: ScoreSpec) -> list[Score]:
    """Scores of all answers, sorted; every answered turn gives one row per metric."""
    seen: set[tuple[str, str, int, int]] = set()
    ordered = sorted(answers, key=lambda a: (a.question_id, a.lang, a.turn, a.sample))
    for answer in ordered:
        item = (answer.question_id, answer.lang, answer.turn, answer.sample)
        if item in seen or answer.run != spec.run or answer.lang not in spec.languages:
            raise BabelmixError(
                f"answers of {spec.run}: unexpected row {item} of run '{answer.run}' (a repeat, "
                "another run's, or a language not asked). Delete the answers file and run again."
            )
        seen.add(item)
    scores: list[Score] = []
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        texts, asked = [a.text for a in some], [a.lang for a in some]
        whole = answer_languages(texts, asked, spec.all_languages)
        lines = line_languages(texts, asked, spec.all_languages)
        for answer, of_whole, of_lines in zip(some, whole, lines, strict=True):
            scores.extend(score_answer(answer, spec.benchmark, of_whole, of_lines))
    return scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``score``."""
    add_settings(parser, ScoreSpec)
    parser.add_argument("--answers", required=True, type=Path, help="Answers of one run.")
    parser.add_argument("--output", required=True, type=Path, help="Scores (parquet).")


def run(args: argparse.Namespace) -> None:
    """Score one run's answers."""
    spec = read_settings(args, ScoreSpec)
    answers = read_records(args.answers, Answer)
    scores = score_answers(answers, spec)
    write_records(args.output, scores, Score)
    found = [s for s in scores if s.metric == "answer_language"]
    right = sum(s.value == 1.0 for s in found)
    unsure = sum(s.value is None and (s.reason or "").startswith(UNSURE) for s in found)
    silent = sum(s.value is None for s in found) - unsure
    failed = len(found) - right - unsure - silent
    print(
        f"score {spec.run} on {spec.benchmark}: {len(answers)} answered turns, {len(scores)} "
        f"values; language right in {right}, wrong or empty in {failed}, "
        f"unsure in {unsure}, too short or unknown to the identifier in {silent}"
    )
