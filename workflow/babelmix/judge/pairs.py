"""Verb ``judge-pairs``: one run against a baseline, each pair of answers shown in both orders.

``side_by_side`` is study 2's score: in each language the baseline is one run whose answers were
generated once. A run is never judged against itself: where it is its own baseline (the diagonal,
50 by definition) nothing is asked and no judgement is written.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ..errors import BabelmixError
from ..io import read_json, read_records
from ..records import Answer, Judgement, Question
from ..specs import JudgeSpec
from .calls import Tally, judge_tasks
from .single import add_common_arguments, finish, former_journals, read_questions, read_spec
from .tasks import Slot, index_answers, pair_tasks, select_questions


def judge_pairs(
    spec: JudgeSpec,
    questions: list[Question],
    answers: list[Answer],
    baselines: dict[str, str],
    baseline_answers: dict[str, list[Answer]],
    journal: Path,
    former: Sequence[Path] = (),
) -> tuple[list[Judgement], Tally]:
    """Two judgements (AB, BA) for each turn of each question where the baseline is another run.

    ``baselines`` names the opponent of each language; ``baseline_answers`` holds the answers of
    every opponent but the run itself.
    """
    if spec.protocol == "single":
        raise BabelmixError("judge-pairs cannot judge under protocol `single`.")
    missing = [lang for lang in spec.languages if lang not in baselines]
    if missing:
        raise BabelmixError(
            f"{spec.run}: no baseline for {', '.join(missing)}; name one in --baseline-map."
        )
    indexed: dict[str, dict[Slot, Answer]] = {
        name: index_answers(rows, name) for name, rows in baseline_answers.items()
    }
    for lang in spec.languages:
        if baselines[lang] not in (spec.run, *indexed):
            raise BabelmixError(
                f"{spec.run}: the answers of its baseline {baselines[lang]} ({lang}) are not among "
                "the files of --baseline-answers."
            )
    chosen = select_questions(questions, spec.languages)
    tasks = pair_tasks(chosen, spec.run, index_answers(answers, spec.run), baselines, indexed)
    return judge_tasks(spec, tasks, journal, former)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_common_arguments(parser)
    parser.add_argument(
        "--baseline-map", default="{}", help='JSON: the baseline run of each language, {"de": "…"}'
    )
    parser.add_argument(
        "--baseline-json",
        type=Path,
        help="output of choose-baseline: the run for every language that the map leaves out",
    )
    parser.add_argument(
        "--baseline-answers",
        nargs="*",
        default=[],
        type=Path,
        help="answer files {run}.parquet; only those of the baselines are read",
    )


def read_baselines(args: argparse.Namespace, languages: list[str]) -> dict[str, str]:
    """The baseline run of each language."""
    try:
        given = json.loads(args.baseline_map)
    except json.JSONDecodeError as error:
        raise BabelmixError(f"--baseline-map is not valid JSON ({error}).") from None
    if args.baseline_json:
        given = dict.fromkeys(languages, read_json(args.baseline_json)["run"]) | given
    return {lang: given[lang] for lang in languages if lang in given}


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    spec = read_spec(args)
    baselines = read_baselines(args, spec.languages)
    opponents = set(baselines.values()) - {spec.run}
    held = {
        path.name.removesuffix(".parquet"): read_records(path, Answer)
        for path in args.baseline_answers
        if path.name.removesuffix(".parquet") in opponents
    }
    judgements, tally = judge_pairs(
        spec,
        read_questions(args.questions),
        read_records(args.answers, Answer),
        baselines,
        held,
        args.journal,
        former_journals(args),
    )
    finish(args, spec, judgements, tally)
