"""How the verdicts of both orders of a pair become one outcome: strict, lenient, by score."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from babelmix.analyse.table import read_tables
from babelmix.cli import main
from babelmix.config.evaluation import Evaluation
from babelmix.config.load import load_config
from babelmix.errors import BabelmixError
from babelmix.io import write_records
from babelmix.outcome import RULES, outcome
from babelmix.plan.graph import Plan
from babelmix.records import Judgement

VERDICTS = st.sampled_from(["A", "B", "tie", "both_bad"])


def verdict(question: str, order: str, said: str | None, **more: Any) -> Judgement:
    """A published verdict on ``mine`` against ``base``."""
    fixed: dict[str, Any] = {
        "key": "k", "lang": "en", "category": "all", "turn": 1, "run": "mine", "baseline": "base",
        "protocol": "pairwise", "judge": "j", "score": None, "unscored_reason": None, "raw": "",
        "tokens_in": 0, "tokens_out": 0, "cost": 0.0,
    }  # fmt: skip
    return Judgement(question_id=question, order=order, verdict=said, **(fixed | more))


def preferences(tmp_path: Path, rows: list[Judgement], rule: str | None) -> dict[str, Any]:
    """The row of all languages that ``judgement-tables`` writes."""
    file = tmp_path / "bench.j.pairwise.base" / "mine.parquet"
    write_records(file, rows, Judgement)
    options = [] if rule is None else ["--order-rule", rule]
    assert main(["judgement-tables", str(file), "--folder", str(tmp_path / "t"), *options]) == 0
    table = read_tables(tmp_path / "t" / "tables.json")["preferences"]
    (row,) = [row for row in table.rows if row["language"] == "all"]
    return row


@pytest.mark.parametrize(
    ("ab", "ba", "strict", "lenient", "points"),
    [
        ("A", "B", "win", "win", 1.0),
        ("A", "tie", "tie", "win", 0.75),
        ("both_bad", "B", "tie", "win", 0.75),
        ("B", "tie", "tie", "loss", 0.25),
        ("tie", "A", "tie", "loss", 0.25),
        ("A", "A", "tie", "tie", 0.5),
        ("tie", "both_bad", "tie", "tie", 0.5),
        ("B", "A", "loss", "loss", 0.0),
    ],
)
def test_each_rule(ab: str, ba: str, strict: str, lenient: str, points: float) -> None:
    assert outcome(ab, ba).result == outcome(ab, ba, "strict").result == strict
    assert outcome(ab, ba, "lenient").result == lenient
    by_score = outcome(ab, ba, "score")
    assert (by_score.result, by_score.points) == (lenient, points)
    assert len({outcome(ab, ba, rule).consistent for rule in RULES}) == 1


@given(VERDICTS, VERDICTS, st.sampled_from(RULES))
def test_swapping_run_and_baseline_mirrors_every_rule(ab: str, ba: str, rule: Any) -> None:
    mine, other = outcome(ab, ba, rule).points, outcome(ba, ab, rule).points
    assert mine is not None
    assert other is not None
    assert mine + other == 1.0


@given(VERDICTS, st.sampled_from(RULES))
def test_one_order_alone_is_no_outcome(said: str, rule: Any) -> None:
    assert outcome(said, None, rule).points is None
    assert outcome(None, said, rule).result is None


def test_grades_of_both_sides_are_added_up() -> None:
    """9 : 8 in one order and 6 : 8 in the other is a loss by score, a tie by verdicts."""
    assert outcome("A", "A", "score", grades=(15.0, 16.0)).result == "loss"
    assert outcome("A", "A", "score", grades=(15.0, 16.0)).points == 0.0
    assert outcome("A", "A", "strict", grades=(15.0, 16.0)).result == "tie"
    assert outcome("A", "A", "score", grades=(0.1 + 0.2, 0.3)).result == "tie"


def test_the_table_names_the_rule(tmp_path: Path) -> None:
    rows = [verdict("q1", "AB", "A"), verdict("q1", "BA", "tie")]
    rows += [verdict("q2", "AB", "B"), verdict("q2", "BA", "A")]
    found = {rule: preferences(tmp_path, rows, rule) for rule in (None, *RULES)}
    counts = {
        rule: (row["order_rule"], row["wins"], row["ties"], row["losses"], row["score"])
        for rule, row in found.items()
    }
    assert counts == {
        None: ("strict", 0, 1, 1, 25.0),
        "strict": ("strict", 0, 1, 1, 25.0),
        "lenient": ("lenient", 1, 0, 1, 50.0),
        "score": ("score", 1, 0, 1, 37.5),
    }


def test_published_weights_and_grades_reach_the_score(tmp_path: Path) -> None:
    """Weights are given to the answer shown first: 0.9 in AB and 0.4 in BA is 0.75 for the run."""
    weighted = [
        verdict("q1", "AB", "A", weight=0.9),
        verdict("q1", "BA", "B", weight=0.4),
        verdict("q2", "", "A", weight=0.8),
    ]
    assert preferences(tmp_path / "w", weighted, "score")["score"] == pytest.approx(77.5)
    graded = [
        verdict("q1", "AB", "A", score_a=9.0, score_b=8.0),
        verdict("q1", "BA", "A", score_a=8.0, score_b=6.0),
    ]
    assert preferences(tmp_path / "g", graded, "score")["losses"] == 1
    assert preferences(tmp_path / "g", graded, "strict")["ties"] == 1


def test_a_run_against_itself_is_no_row(tmp_path: Path) -> None:
    rows = [
        verdict("q1", order, "tie", run=run) for order in ("AB", "BA") for run in ("mine", "base")
    ]
    row = preferences(tmp_path, rows, None)
    assert (row["variant"], row["values"]) == ("mine", 1)


def test_the_configuration_knows_the_rules() -> None:
    pair = {"benchmark": "b", "judge": "j", "protocol": "pairwise", "baseline": "best_monolingual"}
    assert Evaluation.model_validate(pair).order_rule == "strict"
    assert Evaluation.model_validate(pair | {"order_rule": "lenient"}).order_rule == "lenient"
    with pytest.raises(ValidationError, match="'strict', 'lenient' or 'score'"):
        Evaluation.model_validate(pair | {"order_rule": "mild"})
    with pytest.raises(ValidationError, match="only pairs are judged in two orders"):
        Evaluation.model_validate({"benchmark": "b", "judge": "j", "order_rule": "lenient"})


def test_one_evaluation_has_one_rule() -> None:
    """Two studies that share a judgement may not join its orders in two ways."""
    config = load_config(Path("config/small.yaml"))
    pairs = next(e for e in config.studies["small"].evaluations if e.protocol == "pairwise")
    lenient = pairs.model_copy(update={"order_rule": "lenient"})
    study = config.studies["small"]
    own = study.model_copy(update={"evaluations": [*study.evaluations[:1], lenient]})
    described = Plan(config.model_copy(update={"studies": {"small": own}})).describe()
    rules = {name: e.get("order_rule") for name, e in described["evaluations"].items()}
    assert list(rules.values()) == [None, "lenient"]
    both = config.model_copy(update={"studies": {"small": own, "other": study}})
    with pytest.raises(BabelmixError, match="both `lenient` and `strict`"):
        Plan(both)
