"""Tables of the judging: preferences, position bias, coverage, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .frames import ITEM, languages_of, over_seeds
from .grade_tables import mean_score
from .language_tables import share
from .statistics import Bootstrap, coverage
from .study import ALL, StudySet
from .table import (
    ESTIMATE_COLUMNS,
    EVALUATION_COLUMNS,
    VARIANT_COLUMNS,
    Table,
    estimate_cells,
    evaluation_cells,
    variant_cells,
)

if TYPE_CHECKING:
    import pandas as pd


def preferences_table(study: StudySet, pairs: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Wins, ties and losses against the baseline, and the score made of them."""
    table = Table(
        "preferences",
        "Preferences against the baseline",
        "Each pair of answers is judged in both orders. Score = 100 · (wins + ½ ties) / pairs "
        "(under the order rule `score`, the mean of what the orders give); 50 is parity. A "
        "baseline is never compared with itself: it has no row. Each language weighs the same in "
        "`all`.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "protocol": "`pairwise` or `side_by_side`.",
            "order_rule": "How both orders became one outcome: `strict` (win + tie = tie), "
            "`lenient` (win + tie = win) or `score` (added up; win + tie is worth 75); `one_order` "
            "where no pair was shown in both.",
            "baseline": "Variant compared with; `several` where it differs by language.",
            "language": "Language, or `all`.",
            "wins": "Pairs won (all seeds and samples).",
            "ties": "Pairs tied, contradictory orders among them.",
            "losses": "Pairs lost.",
            "unscored": "Pairs that miss a verdict in one of the orders.",
            "score": "Score, 0 to 100.",
        }
        | ESTIMATE_COLUMNS
        | {"flipped": "Share of pairs whose two orders contradict each other."},
        ("evaluation", "variant", "language"),
    )
    for (evaluation, name), frame in pairs.groupby(["evaluation", "variant"]):
        cells = evaluation_cells(study, evaluation) | variant_cells(study.variants[name])
        cells["protocol"] = frame["protocol"].iloc[0]
        cells["order_rule"] = study.order_rules[str(evaluation)]
        for lang, rows in languages_of(frame):
            items = over_seeds(rows, ITEM)
            table.rows.append(
                cells
                | {"baseline": _baseline(study, rows), "language": lang}
                | _counts(rows)
                | estimate_cells(mean_score(bootstrap, items), "score")
                | {"flipped": _flip_share(rows)}
            )
    return table


def _baseline(study: StudySet, rows: pd.DataFrame) -> str:
    names = {study.variant_of_run.get(run, run) for run in rows["baseline"].unique()}
    return names.pop() if len(names) == 1 else "several"


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    found = rows["outcome"].tolist()
    return {
        "wins": found.count("win"),
        "ties": found.count("tie"),
        "losses": found.count("loss"),
        "unscored": int(rows["outcome"].isna().sum()),
    }


def _flip_share(rows: pd.DataFrame) -> float | None:
    judged = rows["flipped"].dropna()
    return float(judged.astype(float).mean()) if len(judged) else None


def position_table(
    study: StudySet, judgements: pd.DataFrame, pairs: pd.DataFrame, bootstrap: Bootstrap
) -> Table:
    """Position bias by category and language, and by turn and language."""
    table = Table(
        "position_bias",
        "Position bias of the judge",
        "How often the two orders of a pair contradict each other, and how often the answer shown "
        "first is preferred (of the verdicts that prefer one; 0.5 is no bias).",
        EVALUATION_COLUMNS
        | {
            "category": "Category, or `all`.",
            "turn": "Turn, or `all`; turns are told apart over all categories.",
            "language": "Language, or `all`.",
            "flipped": "Share of pairs whose orders contradict each other.",
        }
        | ESTIMATE_COLUMNS
        | {
            "first_preferred": "Share of preferences for the answer shown first.",
            "preferences": "Verdicts that prefer one answer.",
        },
        ("evaluation", "category", "turn", "language"),
    )
    verdicts = judgements[judgements["verdict"].isin(["A", "B"]) & (judgements["order"] != "")]
    for evaluation, frame in pairs.groupby("evaluation"):
        own = verdicts[verdicts["evaluation"] == evaluation]
        for place in _places(frame):
            rows, votes = (_at(of, place) for of in (frame, own))
            for lang, of in languages_of(rows):
                chosen = votes if lang == ALL else votes[votes["lang"] == lang]
                first = (chosen["verdict"] == "A").sum()
                flips = of.assign(value=of["flipped"].astype(float))
                table.rows.append(
                    evaluation_cells(study, str(evaluation))
                    | {"category": ALL, "turn": ALL, "language": lang}
                    | place
                    | estimate_cells(share(bootstrap, flips), "flipped")
                    | {
                        "first_preferred": first / len(chosen) if len(chosen) else None,
                        "preferences": len(chosen),
                    }
                )
    return table


def _places(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Everything, then each category, then each turn (where there are several)."""
    turns = sorted(frame["turn"].unique().tolist())
    return [
        {},
        *({"category": category} for category in sorted(frame["category"].unique())),
        *({"turn": turn} for turn in turns if len(turns) > 1),
    ]


def _at(frame: pd.DataFrame, place: dict[str, Any]) -> pd.DataFrame:
    for name, value in place.items():
        frame = frame[frame[name] == value]
    return frame


def coverage_table(study: StudySet, judgements: pd.DataFrame) -> Table:
    """What was asked of each judge, what it scored, and why it did not."""
    table = Table(
        "coverage",
        "Judge coverage",
        "Judgements asked and scored, by run and language. Unscored ones enter no mean.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "run": "Run.",
            "language": "Language, or `all`.",
            "asked": "Judgements asked.",
            "scored": "Judgements with a verdict.",
            "coverage": "Share scored.",
            "reasons": "Why the others have none, with counts.",
            "suspected_injections": "Judgements whose answers held delimiters of the judge's "
            "prompt; they were neutralised.",
            "models": "Models that replied, as the server named them, with counts.",
        },
        ("evaluation", "run", "language"),
    )
    for (evaluation, run), frame in judgements.groupby(["evaluation", "run"]):
        for lang, rows in languages_of(frame):
            scored = int(rows["scored"].sum())
            table.rows.append(
                evaluation_cells(study, evaluation)
                | variant_cells(study.variant_for_run(run, evaluation))
                | {"run": run, "language": lang, "asked": len(rows), "scored": scored}
                | {"coverage": coverage(scored, len(rows)), "reasons": reasons(rows)}
                | {"suspected_injections": int((rows["neutralised"] > 0).sum())}
                | {"models": counted(rows.loc[rows["model"] != "", "model"])}
            )
    return table


def unscored_table(study: StudySet, judgements: pd.DataFrame) -> Table:
    """Judgements without a verdict, by mixture and reason."""
    table = Table(
        "unscored",
        "Unscored judgements by mixture and reason",
        "Judgements without a verdict enter no mean. A mixture that misses many is held against "
        "the others on the answers that are left.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "language": "Language, or `all`.",
            "reason": "Why there is no verdict, or `all`.",
            "unscored": "Judgements without a verdict for this reason.",
            "asked": "Judgements asked.",
            "share": "Share of those asked.",
        },
        ("evaluation", "variant", "language", "reason"),
    )
    for (evaluation, name), frame in judgements.groupby(["evaluation", "variant"]):
        for lang, rows in languages_of(frame):
            missing = rows.loc[~rows["scored"], "unscored_reason"].fillna("no reason given")
            counts = {ALL: len(missing)} | missing.value_counts().to_dict()
            if not len(missing):
                continue
            table.rows += [
                evaluation_cells(study, str(evaluation))
                | variant_cells(study.variants[str(name)])
                | {"language": lang, "reason": str(reason), "unscored": int(count)}
                | {"asked": len(rows), "share": count / len(rows)}
                for reason, count in counts.items()
            ]
    return table


def reasons(rows: pd.DataFrame) -> str:
    """``reason (count); …``, the most frequent first."""
    return counted(rows.loc[~rows["scored"], "unscored_reason"].fillna("no reason given"))


def counted(values: pd.Series) -> str:
    """``value (count); …``, the most frequent first."""
    ordered = sorted(values.value_counts().items(), key=lambda item: (-item[1], str(item[0])))
    return "; ".join(f"{value} ({count})" for value, count in ordered)


def cost_table(study: StudySet, judgements: pd.DataFrame) -> Table:
    """Calls, tokens and dollars by evaluation."""
    table = Table(
        "cost",
        "Cost of judging",
        "Judgements, tokens and US dollars. Judgements with one key are one call, paid once. Where "
        "no price is configured the dollars are 0.",
        EVALUATION_COLUMNS
        | {
            "engine": "Engine of the judge.",
            "judgements": "Judgements.",
            "tokens_in": "Prompt tokens.",
            "tokens_out": "Answer tokens.",
            "dollars": "US dollars.",
        },
        ("evaluation",),
    )
    for evaluation, frame in judgements.groupby("evaluation"):
        table.rows.append(
            evaluation_cells(study, str(evaluation))
            | {
                "engine": study.evaluations[str(evaluation)].get("engine"),
                "judgements": len(frame),
                "tokens_in": int(frame["tokens_in"].sum()),
                "tokens_out": int(frame["tokens_out"].sum()),
                "dollars": float(frame["cost"].sum()),
            }
        )
    return table
