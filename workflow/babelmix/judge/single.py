"""Verb ``judge-single``: grade every answered turn of one run from 1 to 10."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..config.evaluation import OpenAIJudge
from ..config.load import build_config
from ..errors import BabelmixError
from ..io import read_json, read_records, write_json, write_records
from ..options import add_settings, read_settings
from ..records import Answer, Judgement, Question
from ..specs import JudgeSpec
from .calls import Tally, judge_tasks, summarise
from .tasks import index_answers, select_questions, single_tasks


def judge_single(
    spec: JudgeSpec,
    questions: list[Question],
    answers: list[Answer],
    journal: Path,
    former: Sequence[Path] = (),
) -> tuple[list[Judgement], Tally]:
    """One judgement for each turn of each question in the spec's languages."""
    if spec.protocol != "single":
        raise BabelmixError(f"judge-single cannot judge under protocol `{spec.protocol}`.")
    chosen = select_questions(questions, spec.languages)
    tasks = single_tasks(chosen, index_answers(answers, spec.run))
    return judge_tasks(spec, tasks, journal, former)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of both judging verbs."""
    add_settings(parser, JudgeSpec)
    parser.add_argument(
        "--config",
        type=Path,
        help="configuration (JSON) from which the judge's host, price, cap and speed are taken",
    )
    parser.add_argument("--answers", required=True, type=Path, help="answers of the judged run")
    parser.add_argument(
        "--questions", required=True, nargs="+", type=Path, help="questions, one file a language"
    )
    parser.add_argument(
        "--journal", required=True, type=Path, help="replies bought so far (kept between runs)"
    )
    parser.add_argument(
        "--former-journals",
        type=Path,
        help="text file that lists journals of earlier names of judge or run, one per line: their "
        "replies to the same messages are not bought again",
    )
    parser.add_argument("--output", required=True, type=Path, help="judgements (parquet)")
    parser.add_argument("--manifest", type=Path, help="counts (JSON)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_common_arguments(parser)


def read_spec(args: argparse.Namespace) -> JudgeSpec:
    """The spec, with the judge's host, price, cap and speed as the configuration now has them.

    They are no part of the spec of a rule, so that changing one of them judges nothing again.
    """
    spec = read_settings(args, JudgeSpec)
    if args.config is None or not isinstance(spec.judge, OpenAIJudge):
        return spec
    now = build_config(read_json(args.config), where=str(args.config)).judges.get(spec.judge_name)
    if not isinstance(now, OpenAIJudge):
        raise BabelmixError(f"{args.config}: it has no judge '{spec.judge_name}' to be asked.")
    return spec.model_copy(update={"judge": spec.judge.with_runtime(now)})


def former_journals(args: argparse.Namespace) -> list[Path]:
    """Journals of earlier names that are there and not this job's own."""
    if args.former_journals is None or not args.former_journals.is_file():
        return []
    lines = args.former_journals.read_text(encoding="utf-8").splitlines()
    return [path for path in map(Path, lines) if path != args.journal and path.is_file()]


def read_questions(paths: list[Path]) -> list[Question]:
    """All questions of several files."""
    return [question for path in paths for question in read_records(path, Question)]


def finish(
    args: argparse.Namespace, spec: JudgeSpec, judgements: list[Judgement], tally: Tally
) -> None:
    """Write the judgements and say in one line what was done."""
    counts = summarise(judgements)
    write_records(args.output, judgements, Judgement)
    if args.manifest:
        write_json(args.manifest, {"run": spec.run, "judge": spec.judge_name, **counts})
    unscored = "".join(f"; unscored {n}: {reason}" for reason, n in counts["unscored"].items())
    print(
        f"{spec.run}: {counts['scored']} of {counts['judgements']} judged by {spec.judge_name} "
        f"({tally.asked} calls, {tally.reused} from the journal, {tally.failed} failed, "
        f"{counts['cost']:.4f} US dollars){unscored}"
    )


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    spec = read_spec(args)
    questions = read_questions(args.questions)
    answers = read_records(args.answers, Answer)
    former = former_journals(args)
    judgements, tally = judge_single(spec, questions, answers, args.journal, former)
    finish(args, spec, judgements, tally)
