"""Tables of agreement: judges with judges and with people, and each judge across languages."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import combinations, zip_longest
from typing import TYPE_CHECKING, Any

from .agreement import (
    SETTINGS,
    Ballots,
    cohen_kappa,
    fleiss_kappa,
    group_agreement,
    krippendorff_alpha,
)
from .frames import ANSWER
from .statistics import Bootstrap, Estimate
from .study import ALL, StudySet
from .table import (
    ESTIMATE_COLUMNS,
    EVALUATION_COLUMNS,
    Table,
    estimate_cells,
    evaluation_cells,
    joined_notes,
)

if TYPE_CHECKING:
    import pandas as pd

#: A pair of answers: benchmark, run, baseline, question, language, turn.
PAIR = ["benchmark", "run", "baseline", "question_id", "lang", "turn"]
#: The same, one of the several that two runs' samples make. People see the first of each.
_SAMPLE = [*PAIR, "sample"]
HUMANS = "humans"
#: Grades that differ by less are a tie (FastChat's rule for turning grades into pairs).
SAME_GRADE = 0.1
_VOTE = {"win": "A", "loss": "B", "tie": "tie"}


@dataclass(frozen=True)
class Voter:
    """Somebody with votes on pairs: a judge under one protocol, or people."""

    name: str
    votes: dict[Hashable, list[str | None]]


def voters(
    study: StudySet, judged: pd.DataFrame, pairs: pd.DataFrame, labels: pd.DataFrame
) -> list[Voter]:
    """Every evaluation and, where there are labels, people; in the terms of the run's answer.

    Single grades vote on the pairs that somebody else voted on: the higher grade wins.
    """
    found = []
    for evaluation, rows in pairs.groupby("evaluation"):
        benchmark = study.evaluations[str(evaluation)]["benchmark"]
        items = rows.assign(benchmark=benchmark)[_SAMPLE].itertuples(index=False, name=None)
        votes = [_VOTE.get(outcome) for outcome in rows["outcome"]]
        found.append(Voter(str(evaluation), {i: [v] for i, v in zip(items, votes, strict=True)}))
    people: dict[Hashable, list[str | None]] = {}
    first = labels[labels["vote"].notna() & (labels["repeat"] == 0)]
    for *item, vote in first[[*PAIR, "vote"]].itertuples(index=False, name=None):
        people.setdefault((*item, 0), []).append(vote)
    if people:
        found.append(Voter(HUMANS, people))
    wanted = dict.fromkeys(item for voter in found for item in voter.votes)
    return [*_graders(study, judged, wanted), *found]


def _graders(study: StudySet, judged: pd.DataFrame, wanted: dict[Any, None]) -> Iterator[Voter]:
    single = judged[(judged["protocol"] == "single") & judged["score"].notna()]
    for evaluation, rows in single.groupby("evaluation"):
        benchmark = study.evaluations[str(evaluation)]["benchmark"]
        of_answer = rows[["run", "question_id", "lang", "turn", "sample"]]
        keys = of_answer.itertuples(index=False, name=None)
        grade = dict(zip(keys, rows["score"], strict=True))
        votes: dict[Hashable, list[str | None]] = {}
        for item in wanted:
            left, right = (grade.get((item[side], *item[3:])) for side in (1, 2))
            if item[0] == benchmark and left is not None and right is not None:
                votes[item] = [_higher(left, right)]
        if votes:
            yield Voter(str(evaluation), votes)


def _higher(left: float, right: float) -> str:
    if abs(left - right) <= SAME_GRADE:
        return "tie"
    return "A" if left > right else "B"


def agreement_table(voters: list[Voter], bootstrap: Bootstrap, within: bool = False) -> Table:
    """Every two voters, by language and turn; people (``within``: all) among themselves."""
    table = Table(
        "agreement",
        "Agreement on pairs of answers",
        "How often two judges, or a judge and people, say the same of a pair. S1: all votes, "
        "orders that contradict each other are a tie. S2: only votes that decide. Tie-discounted: "
        "a tie against a decision counts ½. Grades vote for the answer with the higher one (a tie "
        f"within {SAME_GRADE}). κ (Cohen's; Fleiss' among people) and α are corrected for chance.",
        {
            "left": "Evaluation, or `humans`.",
            "right": "Another; `humans` against `humans`: all pairs of different raters.",
            "language": "Language, or `all`.",
            "turn": "Turn, or `all`.",
        }
        | {
            f"{setting.lower()}{end}": f"{setting}: {words}"
            for setting in SETTINGS
            for end, words in (
                ("", "share of pairs of votes that agree."),
                ("_low", "lower end of its interval."),
                ("_high", "upper end."),
                ("_votes", "pairs of votes behind it."),
            )
        }
        | {
            "kappa": "κ over all votes.",
            "alpha": "Krippendorff's α, nominal.",
            "alpha_low": "Lower end of its interval.",
            "alpha_high": "Upper end.",
            "questions": "Questions.",
            "interval_note": ESTIMATE_COLUMNS["interval_note"],
        },
        ("left", "right", "language", "turn"),
    )
    two = [(a, b) for a, b in combinations(voters, 2) if a.votes.keys() & b.votes.keys()]
    among = [
        (v, v)
        for v in voters
        if (within or v.name == HUMANS) and any(len(votes) > 1 for votes in v.votes.values())
    ]
    for left, right in [*two, *among]:
        common = [item for item in left.votes if item in right.votes]
        for lang, turn, items in _slices(common):
            cells = {"left": left.name, "right": right.name, "language": lang, "turn": turn}
            table.rows.append(cells | _agreement_cells(left, right, items, bootstrap))
    return table


def _slices(items: list[Any]) -> Iterator[tuple[str, Any, list[Any]]]:
    """(language, turn, items): all, by language, by turn; one alone is not repeated."""
    yield ALL, ALL, items
    for at, place in ((4, "lang"), (5, "turn")):
        found = sorted({item[at] for item in items})
        if len(found) > 1:
            for value in found:
                of = [item for item in items if item[at] == value]
                yield (value, ALL, of) if place == "lang" else (ALL, value, of)


def _agreement_cells(
    left: Voter, right: Voter, items: list[Any], bootstrap: Bootstrap
) -> dict[str, Any]:
    clusters = {item: item[3] for item in items}
    sides = [Ballots({i: v.votes[i] for i in items}, clusters) for v in (left, right)]
    same = left is right
    cells: dict[str, Any] = {}
    estimates = {}
    for setting in SETTINGS:
        found = group_agreement(sides[0], None if same else sides[1], setting, bootstrap)
        name = setting.lower()
        estimates[name] = found
        cells |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        cells |= {f"{name}_votes": found.values}
        if setting == "S1":
            cells["questions"] = found.clusters
    kappa, estimates["alpha"] = _chance_corrected(left, right, items, bootstrap)
    cells |= {"kappa": kappa, "alpha": estimates["alpha"].value}
    cells |= {"alpha_low": estimates["alpha"].low, "alpha_high": estimates["alpha"].high}
    return cells | {"interval_note": joined_notes(estimates)}


def _chance_corrected(
    left: Voter, right: Voter, items: list[Any], bootstrap: Bootstrap
) -> tuple[float | None, Estimate]:
    """Return κ and Krippendorff's α."""
    if left is right:
        rated = [[_plain(v) for v in left.votes[i]] for i in items]
        raters = list(zip_longest(*rated))
        kappa = fleiss_kappa(rated).value
        clusters = [i[3] for i in items]
    else:
        votes = [(i, a, b) for i in items for a in left.votes[i] for b in right.votes[i]]
        raters = [tuple(_plain(a) for _, a, _ in votes), tuple(_plain(b) for _, _, b in votes)]
        kappa = cohen_kappa(raters[0], raters[1])
        clusters = [i[3] for i, _, _ in votes]
    return kappa, krippendorff_alpha(raters, "nominal", clusters, bootstrap)


def _plain(vote: str | None) -> str | None:
    return "tie" if vote == "both_bad" else vote


def cross_language_table(
    study: StudySet, judged: pd.DataFrame, pairs: pd.DataFrame, bootstrap: Bootstrap
) -> Table:
    """Does a judge say the same of a question's answers in each language?"""
    table = Table(
        "cross_language",
        "Consistency of the judge across languages",
        "The same question, turn and models, judged in several languages: the languages are the "
        "raters. Fleiss' κ of win, tie and loss; of grades Krippendorff's α (interval). Answers "
        "differ between languages, so that a perfect judge would not reach 1.",
        EVALUATION_COLUMNS
        | {
            "languages": "`all`, or two languages.",
            "measure": "`kappa` (win, tie, loss) or `alpha` (grades).",
            "value": "1 is full consistency, 0 is chance.",
        }
        | ESTIMATE_COLUMNS,
        ("evaluation", "languages"),
    )
    keys = ["run", "baseline", *(name for name in ANSWER if name != "lang")]
    single = judged[judged["protocol"] == "single"]
    for frame, column, measure in ((pairs, "outcome", "kappa"), (single, "score", "alpha")):
        for evaluation, rows in frame.groupby("evaluation"):
            wide = rows.pivot(index=keys, columns="lang", values=column)
            groups = [(ALL, list(wide.columns))]
            if len(wide.columns) > 2:
                groups += [(f"{a}-{b}", [a, b]) for a, b in combinations(wide.columns, 2)]
            for name, languages in groups:
                if len(languages) > 1:
                    table.rows.append(
                        evaluation_cells(study, str(evaluation))
                        | {"languages": name, "measure": measure}
                        | _consistency(wide[languages], measure, bootstrap)
                    )
    return table


def _consistency(wide: pd.DataFrame, measure: str, bootstrap: Bootstrap) -> dict[str, Any]:
    questions = wide.index.get_level_values("question_id")
    values = [[None if v is None or v != v else v for v in row] for row in wide.to_numpy()]
    if measure == "kappa":
        return estimate_cells(fleiss_kappa(values, list(questions), bootstrap))
    columns = [list(column) for column in zip(*values, strict=True)]
    return estimate_cells(krippendorff_alpha(columns, "interval", list(questions), bootstrap))
