"""Which mixture: ranks and intervals that allow for the choice, and what they rest on."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from babelmix.analyse.best import standings
from babelmix.analyse.decision_table import decision_table, main_language
from babelmix.analyse.statistics import Bootstrap
from babelmix.analyse.study import StudySet, Variant

LANGUAGES = ("en", "de", "fr")
Item = tuple[str, float]


def drawn(values: np.ndarray, samples: int = 400, seed: int = 0) -> np.ndarray:
    """Means of K × questions in resamples of the questions; K × samples."""
    n = values.shape[1]
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=samples)
    return np.asarray(values @ weights.T / n)


def test_a_clear_best_is_told_from_the_others() -> None:
    draw = np.random.default_rng(1)
    values = np.array([[7.0], [5.0], [5.1]]) + draw.normal(0, 0.5, (3, 40))
    found = standings(values.mean(axis=1).tolist(), drawn(values), 40, 0.95)
    assert [s.may_be_best for s in found] == [True, False, False]
    assert found[0].rank == 1
    assert (found[0].rank_low, found[0].rank_high, found[0].p_best) == (1, 1, 1.0)
    assert found[0].gap_low == 0.0
    assert found[1].gap_high == 0.0
    assert found[1].gap is not None
    assert found[1].gap < -1.5


def test_the_best_is_among_those_that_may_be_as_often_as_promised() -> None:
    """Six of nearly equal truth: the plain interval of the highest is wrong too often."""
    truth = np.array([5.0, 5.0, 5.0, 5.0, 5.0, 5.02])
    draw = np.random.default_rng(7)
    rounds, kept, held, plain = 300, 0, 0, 0
    for i in range(rounds):
        values = truth[:, None] + draw.normal(0, 1.0, (6, 25)) + draw.normal(0, 1.0, 25)
        means, resampled = values.mean(axis=1), drawn(values, seed=i)
        found = standings(means.tolist(), resampled, 25, 0.95)
        kept += bool(found[5].may_be_best)
        top = int(means.argmax())
        low, high = found[top].low, found[top].high
        assert low is not None
        assert high is not None
        held += low <= truth[top] <= high
        ends = np.quantile(resampled[top], [0.025, 0.975])
        plain += ends[0] <= truth[top] <= ends[1]
    assert kept >= 0.93 * rounds
    assert held >= 0.93 * rounds
    assert plain < held
    assert plain < 0.9 * rounds


def test_equal_ones_share_the_chance_and_the_rank() -> None:
    values = np.vstack([np.arange(12.0), np.arange(12.0), np.zeros(12)])
    found = standings(values.mean(axis=1).tolist(), drawn(values), 12, 0.95)
    assert [s.rank for s in found] == [1, 1, 3]
    assert [s.may_be_best for s in found] == [True, True, False]
    assert found[0].p_best == found[1].p_best == 0.5
    assert found[0].detectable is None


def test_few_questions_prove_nothing_and_one_even_less() -> None:
    values = np.array([[1.0] * 3, [0.0] * 3])
    three = standings([1.0, 0.0], drawn(values), 3, 0.95)
    assert [s.may_be_best for s in three] == [True, True]
    one = standings([1.0, 0.0], np.array([[1.0], [0.0]]), 1, 0.95)
    assert [(s.rank, s.low, s.p_best, s.may_be_best) for s in one] == [
        (1, None, None, None),
        (2, None, None, None),
    ]
    alone = standings([1.0], np.array([[0.9, 1.1, 1.0]]), 5, 0.95)
    assert (alone[0].rank, alone[0].gap, alone[0].may_be_best) == (1, None, True)
    assert standings([], np.zeros((0, 5)), 5, 0.95) == []


def test_resamples_without_a_value_are_left_out() -> None:
    values = np.random.default_rng(2).normal(0, 1, (2, 20))
    some = drawn(values)
    some[0, :100] = np.nan
    assert standings(values.mean(axis=1).tolist(), some, 20, 0.95)[0].low is not None
    some[0, :300] = np.nan
    assert standings(values.mean(axis=1).tolist(), some, 20, 0.95)[0].low is None


def variant(name: str, *languages: str, main: str | None = None) -> Variant:
    shares = {lang: 1 / len(languages) for lang in languages}
    mixture = name if languages else None
    return Variant(name, name, "m", mixture, "r", "pool", "blocks", main, shares, (f"{name}.s1",))


VARIANTS = {
    v.name: v
    for v in (
        variant("en", "en"),
        variant("pinch", "en", "de", main="en"),
        variant("all", "en", "de", "fr"),
        variant("untuned"),
    )
}
MIXTURES = {
    "en": {"rows": 9, "rows_by_language": {"en": 9}, "characters_by_language": {"en": 900}},
    "pinch": {
        "rows": 9,
        "rows_by_language": {"en": 8, "de": 1},
        "characters_by_language": {"en": 800, "de": 110},
    },
}


def made_study(evaluations: dict[str, dict[str, Any]]) -> StudySet:
    runs = [run for v in VARIANTS.values() for run in v.runs]
    raw = {
        "evaluations": evaluations,
        "confidence": 0.95,
        "studies": {"s": {"runs": runs, "evaluations": list(evaluations)}},
        "languages": {},
    }
    return StudySet(raw, VARIANTS, {run: v.name for v in VARIANTS.values() for run in v.runs})


#: Mean of each variant in (English, the other languages).
TRUTH = {"en": (6.0, 3.0), "pinch": (6.0, 5.0), "all": (3.0, 7.0), "untuned": (2.0, 1.0)}


def items(questions: int, scale: float = 1.0, spread: float = 0.4) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    hard = draw.normal(0, 0.5, questions)
    rows = [
        {"variant": name, "question_id": f"q{q}", "lang": lang, "category": "c", "turn": 1}
        | {"value": scale * (truth[lang != "en"] + hard[q] + draw.normal(0, spread))}
        for name, truth in TRUTH.items()
        for q in range(questions)
        for lang in LANGUAGES
    ]
    return pd.DataFrame(rows)


def spoken(questions: int = 20) -> pd.DataFrame:
    """Scores: answers in the asked language, ever more often from `en` to `all`."""
    draw = np.random.default_rng(4)
    often = {"en": 0.1, "pinch": 0.6, "all": 0.9, "untuned": 0.0}
    rows = items(questions).assign(benchmark="b", metric="answer_language")
    share = np.where(rows["lang"] == "en", 1.0, rows["variant"].map(often))
    return rows.assign(value=(draw.random(len(rows)) < share).astype(float))


NO_PAIRS = pd.DataFrame(columns=["evaluation", "variant", "baseline", "value"])
NO_GRADES = pd.DataFrame(columns=["evaluation", "variant", "value"])
BOOTSTRAP = Bootstrap(samples=300)


def ranked(study: StudySet, grades: pd.DataFrame, pairs: pd.DataFrame = NO_PAIRS) -> dict[str, Any]:
    table = decision_table(study, grades, pairs, spoken(), MIXTURES, BOOTSTRAP)
    assert [set(row) - set(table.columns) for row in table.rows] == [set()] * len(table.rows)
    return {row["variant"]: row for row in table.rows}


def single(engine: str) -> dict[str, dict[str, Any]]:
    return {"e": {"benchmark": "b", "judge": "j", "engine": engine, "protocol": "single"}}


def test_a_model_that_judges_decides_by_its_grades() -> None:
    rows = ranked(made_study(single("openai")), items(20).assign(evaluation="e"))
    assert {row["criterion"] for row in rows.values()} == {"grade"}
    assert rows["all"]["rank"] == 1
    assert rows["all"]["value"] == pytest.approx(7.0, abs=0.4)
    assert rows["all"]["main_kept"] == "lost"
    assert rows["all"]["main_difference"] == pytest.approx(-3.0, abs=0.4)
    assert rows["pinch"]["main_kept"] == "no loss shown"
    assert rows["pinch"]["reference"] == "en"
    assert "main_difference" not in rows["en"]
    assert (rows["pinch"]["rows"], rows["pinch"]["rows_other"]) == (9, 1)
    assert rows["pinch"]["characters_other"] == 110
    assert 0.4 < rows["pinch"]["fidelity"] < 0.8
    assert not rows["untuned"]["candidate"]
    assert rows["untuned"]["rank"] is None
    assert sum(row["p_best"] or 0 for row in rows.values()) == pytest.approx(1.0)


def test_grades_by_rules_never_decide() -> None:
    """Rules grade the pinch highest here; the language of the answers decides all the same."""
    grades = items(20).assign(evaluation="e")
    grades.loc[grades["variant"] == "pinch", "value"] += 9
    rows = ranked(made_study(single("rules")), grades)
    assert {row["criterion"] for row in rows.values()} == {"language"}
    assert {row["basis"] for row in rows.values()} == {"language:b"}
    assert rows["all"]["rank"] == 1
    assert rows["all"]["value"] == rows["all"]["fidelity"]
    assert rows["pinch"]["grade"] > rows["all"]["grade"]
    assert rows["all"]["main_kept"] == "lost"


@pytest.mark.parametrize("silent", [True, False], ids=["judge that scored nothing", "no judge"])
def test_without_verdicts_the_language_of_the_answers_decides(silent: bool) -> None:
    evaluations = single("openai") if silent else {}
    grades = items(20).assign(evaluation="e", value=np.nan) if silent else NO_GRADES
    rows = ranked(made_study(evaluations), grades)
    assert {row["criterion"] for row in rows.values()} == {"language"}
    assert rows["all"]["rank"] == 1
    assert rows["all"].get("main_value") is None


def test_the_baseline_of_a_pair_has_parity() -> None:
    spec = {"benchmark": "b", "judge": "j", "engine": "openai", "protocol": "pairwise"}
    pairs = items(20, scale=10.0).assign(evaluation="p", baseline="en.s1", run="")
    pairs = pairs[pairs["variant"] != "en"]
    rows = ranked(made_study({"p": spec}), NO_GRADES, pairs)
    assert rows["all"]["criterion"] == "score"
    assert rows["all"]["main_difference"] == pytest.approx(-20.0, abs=4)
    assert rows["all"]["main_kept"] == "lost"


def test_a_mixture_without_a_score_in_some_language_is_not_ranked() -> None:
    grades = items(20).assign(evaluation="e")
    gone = (grades["variant"] == "all") & (grades["lang"] == "fr")
    rows = ranked(made_study(single("openai")), grades.assign(value=grades["value"].mask(gone)))
    assert rows["pinch"]["rank"] == 1
    assert not rows["all"]["candidate"]
    assert rows["all"]["interval_note"] == "not ranked: nothing scored in fr"
    assert (rows["all"]["values"], rows["all"]["asked"]) == (20, 40)


def test_one_question_gives_ranks_and_no_interval() -> None:
    rows = ranked(made_study(single("openai")), items(1).assign(evaluation="e"))
    assert rows["all"]["rank"] == 1
    assert rows["all"]["low"] is None
    assert rows["all"]["may_be_best"] is None
    assert rows["all"]["interval_note"] == "no interval: one question"


def test_a_benchmark_in_the_main_language_alone_ranks_by_that() -> None:
    grades = items(20).assign(evaluation="e")
    rows = ranked(made_study(single("openai")), grades[grades["lang"] == "en"])
    assert rows["all"]["others"] == 0
    assert rows["all"]["value"] == rows["all"]["main_value"]


def test_the_main_language_is_the_one_that_others_are_added_to() -> None:
    assert main_language(made_study({}), "s") == "en"


def test_a_share_of_all_is_no_proof_of_all() -> None:
    """48 of 48: the bootstrap knows no other value, the interval must."""
    spoken_always = spoken()
    spoken_always.loc[spoken_always["variant"] == "all", "value"] = 1.0
    table = decision_table(made_study({}), NO_GRADES, NO_PAIRS, spoken_always, MIXTURES, BOOTSTRAP)
    rows = {row["variant"]: row for row in table.rows}
    assert rows["all"]["value"] == rows["all"]["high"] == 1.0
    assert rows["all"]["low"] < 0.95
    # Bonferroni: wider than the usual interval of one share.
    assert rows["pinch"]["low"] < rows["pinch"]["fidelity_low"]
    assert rows["pinch"]["high"] > rows["pinch"]["fidelity_high"]
