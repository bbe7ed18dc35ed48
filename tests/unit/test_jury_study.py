"""A jury in the configuration: what is planned for it, its verdicts, its table and its page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import built_study
import fake_study
import pytest
from tests.options import as_options
from tests.study import mini_config

from babelmix.analyse.study import load_study
from babelmix.analyse.table import read_tables
from babelmix.config.load import build_config
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_json, write_records
from babelmix.judge import jury
from babelmix.plan import Jobs, Plan
from babelmix.plan.cost import cost_lines
from babelmix.plan.prune import stems
from babelmix.records import Judgement
from babelmix.report import report
from babelmix.report.statements import statements

PAIRS = "demo-bench.panel.pairwise.best_monolingual"
MEMBERS = ["a", "b", "c"]


def jury_config(*members: str) -> dict[str, Any]:
    """The mini study, judged by a jury of three in place of the rules."""
    config = mini_config()
    for name in MEMBERS:
        config["judges"][name] = {"engine": "openai", "model": name, "price_in": 1, "price_out": 1}
    config["judges"]["panel"] = {"engine": "jury", "members": [*(members or MEMBERS)]}
    for evaluation in config["studies"]["demo"]["evaluations"]:
        evaluation["judge"] = "panel"
    return config


def planned(config: dict[str, Any]) -> Jobs:
    return Jobs(Plan(build_config(config, where="test")))


def test_a_jury_is_judged_by_each_member_and_chooses_for_all() -> None:
    jobs = planned(jury_config())
    plans = jobs.plan.evaluations
    assert list(plans) == [
        "demo-bench.panel.single",
        PAIRS,
        *(f"demo-bench.{m}.single" for m in MEMBERS),
        *(f"demo-bench.{m}.pairwise.best_monolingual.panel" for m in MEMBERS),
    ]
    runs = list(jobs.plan.runs)
    assert all(list(plan.languages_by_run) == runs for plan in plans.values())
    run = runs[0]
    for member in plans[PAIRS].members:
        assert jobs.pairs_input(member, run)["choice"] == [
            jobs.path(f"baselines/{PAIRS}/{run}.json")
        ]
    chosen_from = jobs.choose_baseline_input(PAIRS, run)
    assert {Path(file).parent.name for file in chosen_from} == {"demo-bench.panel.single"}
    assert json.loads(jobs.choose_baseline(PAIRS, run))["judge_name"] == "panel"
    assert jobs.jury_input("demo-bench.panel.single", run) == [
        jobs.path(f"judgements/demo-bench.{m}.single/{run}.parquet") for m in MEMBERS
    ]


def test_each_evaluation_is_made_by_one_rule() -> None:
    jobs = planned(jury_config())
    made_by = {kind: re.compile(jobs.evaluations_by(kind)) for kind in ("grades", "pairs", "jury")}
    for name in jobs.plan.evaluations:
        assert len([kind for kind, of in made_by.items() if of.fullmatch(name)]) == 1
    assert not re.fullmatch(planned(mini_config()).evaluations_by("jury"), "")


def test_the_members_belong_to_the_study_only_where_it_names_them() -> None:
    config = jury_config()
    named = {"benchmark": "demo-bench", "judge": "a", "protocol": "single", "languages": ["de"]}
    config["studies"]["demo"]["evaluations"].append(named)
    jobs = planned(config)
    described = jobs.plan.describe()
    assert described["studies"]["demo"]["evaluations"] == [
        "demo-bench.panel.single",
        PAIRS,
        "demo-bench.a.single",
    ]
    single = described["evaluations"]["demo-bench.panel.single"]
    assert single["engine"] == "jury"
    assert single["members"] == [f"demo-bench.{m}.single" for m in MEMBERS]
    assert "members" not in described["evaluations"]["demo-bench.a.single"]
    run = next(iter(jobs.plan.runs))
    # Judged once, in what either asks for.
    assert json.loads(jobs.judge("demo-bench.a.single", run))["languages"] == ["en", "de"]


def test_a_jury_over_fewer_languages_takes_those_alone() -> None:
    config = jury_config()
    single = config["studies"]["demo"]["evaluations"][0] | {"languages": ["de"]}
    config["studies"]["demo"]["evaluations"] = [
        single,
        {"benchmark": "demo-bench", "judge": "a", "protocol": "single"},
    ]
    jobs = planned(config)
    run = next(iter(jobs.plan.runs))
    assert json.loads(jobs.jury("demo-bench.panel.single", run))["languages"] == ["de"]
    assert json.loads(jobs.judge("demo-bench.a.single", run))["languages"] == ["en", "de"]
    assert json.loads(jobs.judge("demo-bench.b.single", run))["languages"] == ["de"]


def test_what_it_costs_is_what_its_members_cost() -> None:
    lines = {line.what: line for line in cost_lines(planned(jury_config()).plan)}
    alone = mini_config()
    alone["judges"]["a"] = jury_config()["judges"]["a"]
    for evaluation in alone["studies"]["demo"]["evaluations"]:
        evaluation["judge"] = "a"
    one = {line.what: line for line in cost_lines(planned(alone).plan)}
    assert lines["demo-bench.panel.single"].dollars is None
    assert lines["demo-bench.panel.single"].amount == "joined from 3 judges"
    dollars = [lines[f"demo-bench.{m}.single"].dollars for m in MEMBERS]
    assert dollars == [one["demo-bench.a.single"].dollars] * 3
    assert dollars[0]


def test_prune_knows_its_files() -> None:
    plan = planned(jury_config()).plan
    run = next(iter(plan.runs))
    assert {
        f"judgements/{PAIRS}/{run}",
        f"baselines/{PAIRS}/{run}",
        f"judgements/demo-bench.a.pairwise.best_monolingual.panel/{run}",
        f"journals/judge/demo-bench.a.pairwise.best_monolingual.panel/{run}",
    } <= stems(plan)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["a"], "at least 2"),
        (["a", "b", "a"], "the same judge twice among `members`: a"),
        (["a", "bb"], r"judges.panel.members.*bb"),
        (["a", "panel"], "'panel' is a jury itself"),
    ],
)
def test_what_makes_no_jury(members: list[str], expected: str) -> None:
    with pytest.raises(BabelmixError, match=expected):
        planned(jury_config(*members))


def test_the_best_needs_the_jurys_own_grades() -> None:
    config = jury_config()
    config["studies"]["demo"]["evaluations"][0]["judge"] = "a"
    with pytest.raises(BabelmixError, match="judge 'panel' and `protocol: single`"):
        planned(config)


def test_a_study_without_a_jury_is_described_as_before() -> None:
    described = planned(mini_config()).plan.describe()
    for evaluation in described["evaluations"].values():
        assert set(evaluation) == {
            *("benchmark", "judge", "engine", "protocol", "baseline", "languages")
        }


# --- its verdicts, table and page -----------------------------------------------------------------


def with_jury(study: fake_study.FakeStudy) -> None:
    """The fake study's evaluations under two more judges, and a jury of the three.

    Judge `b` says what `judge` says; `c` gives a point more, turns every preference round, and
    leaves French unscored.
    """
    described = read_json(study.study)
    own = [path for path in study.judgements if path.parent.name != fake_study.SIDE]
    files: dict[tuple[str, str], list[Path]] = {}
    for path in own:
        name = path.parent.name
        rows = read_records(path, Judgement)
        of = files.setdefault((name, path.name), [path])
        for judge in ("b", "c"):
            made = path.parent.parent / name.replace(".judge.", f".{judge}.") / path.name
            write_records(made, [said_by(judge, row) for row in rows], Judgement)
            of.append(made)
    for (name, file), of in files.items():
        evaluation = name.replace(".judge.", ".panel.")
        output = study.root / "judgements" / evaluation / file
        spec = {"version": 1, "run": file.removesuffix(".parquet"), "judge_name": "panel"}
        spec |= {"members": ["judge", "b", "c"], "languages": ["en", "de", "fr"]}
        words = [*as_options(json.dumps(spec)), "--judgements", *map(str, of)]
        built_study.run_verb(jury, *words, "--output", str(output))
        study.judgements += [*of[1:], output]
    for name in {name for name, _ in files}:
        members = [name, name.replace(".judge.", ".b."), name.replace(".judge.", ".c.")]
        shown = described["evaluations"][name]
        for judge, member in zip(("b", "c"), members[1:], strict=True):
            described["evaluations"][member] = shown | {"judge": judge, "engine": "openai"}
        panel = name.replace(".judge.", ".panel.")
        described["evaluations"][panel] = shown | {
            **{"judge": "panel", "engine": "jury", "members": members}
        }
        described["studies"]["polyglot"]["evaluations"].append(panel)
    write_json(study.study, described | {"bootstrap_samples": 20})


def said_by(judge: str, row: Judgement) -> Judgement:
    row = replace(row, judge=judge)
    if judge == "b":
        return row
    if row.lang == "fr":
        return replace(row, score=None, verdict=None, unscored_reason="no verdict")
    turned = {"A": "B", "B": "A"}.get(row.verdict or "", row.verdict)
    return replace(row, score=None if row.score is None else row.score + 1, verdict=turned)


def small(root: Path) -> fake_study.FakeStudy:
    """As small as the tables allow."""
    only = fake_study.FEW[1:]
    return fake_study.make(root, questions=2, seeds=(0,), unscored=(), only=only)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> fake_study.FakeStudy:
    study = small(tmp_path_factory.mktemp("jury"))
    with_jury(study)
    built_study.make_tables(study, study.root / "tables")
    return study


def test_the_verb_joins_what_the_members_say(judged: fake_study.FakeStudy) -> None:
    (path, *_) = (p for p in judged.judgements if p.parent.name == "bench.panel.single")
    rows = read_records(path, Judgement)
    of = read_records(path.parent.parent / fake_study.SINGLE / path.name, Judgement)
    assert len(rows) == len(of) > 0
    for row, mine in zip(rows, of, strict=True):
        assert mine.score is not None
        expected = mine.score if row.lang == "fr" else mine.score + 1 / 3
        assert row.score == pytest.approx(expected)
        assert (row.judge, row.cost) == ("panel", 0.0)


def test_the_verb_wants_each_members_file(tmp_path: Path) -> None:
    spec = {"version": 1, "run": "r", "judge_name": "j", "members": ["a", "b"], "languages": ["de"]}
    words = [*as_options(json.dumps(spec)), "--judgements", "one", "--output", str(tmp_path / "o")]
    with pytest.raises(BabelmixError, match="1 files of 2 members"):
        built_study.run_verb(jury, *words)


def test_the_table_of_its_agreement(judged: fake_study.FakeStudy) -> None:
    rows = read_tables(judged.root / "tables" / "index.json")["jury_agreement"].rows
    found = {(r["evaluation"], r["between"], r["language"]): r for r in rows}
    grades = "bench.panel.single"
    same = found[grades, "judge · b", "all"]
    assert (same["same"], same["alpha"], same["kappa"]) == (1.0, 1.0, None)
    assert found[grades, "judge · c", "de"]["same"] == 0.0  # a point apart
    assert (grades, "judge · c", "fr") not in found  # c has scored nothing there
    assert found[grades, "all", "fr"]["alpha"] == 1.0
    assert found[grades, "all", "de"]["alpha"] < 1
    pairs = fake_study.PAIRS.replace(".judge.", ".panel.")
    assert found[pairs, "judge · b", "all"]["kappa"] == 1.0
    assert found[pairs, "b · c", "all"]["kappa"] < 0
    assert found[pairs, "all", "all"]["kappa"] < 1


def test_samples_are_joined_each_by_itself(judged: fake_study.FakeStudy, tmp_path: Path) -> None:
    twice = small(tmp_path)
    fake_study.sample_twice(twice)
    with_jury(twice)
    built_study.make_tables(twice, tmp_path / "tables")
    one, two = (
        read_tables(s.root / "tables" / "index.json")["jury_agreement"].rows
        for s in (judged, twice)
    )
    assert len(one) == len(two) > 0
    for row, again in zip(one, two, strict=True):
        assert again["items"] == 2 * row["items"]
        assert (again["same"], again["questions"]) == (row["same"], row["questions"])


def test_a_member_that_scored_nothing_is_told_of(judged: fake_study.FakeStudy) -> None:
    tables = read_tables(judged.root / "tables" / "index.json")
    for row in tables["coverage"].rows:
        if row["evaluation"] == "bench.c.single":
            row["scored"] = 0
    found = statements(load_study(judged.study), "polyglot", tables)
    told = [s.text for s in found if s.text.startswith("Nothing is known")]
    assert len(told) == 1
    assert "bench.c.single: c scored none" in told[0]


def test_the_page_shows_the_jury_and_its_members(judged: fake_study.FakeStudy) -> None:
    built_study.make_figures(judged, judged.root / "figures")
    options = judged.options("answers", "questions", "judgements", "manifests")
    for name in ("tables", "figures"):
        options += [f"--{name}", str(judged.root / name / "index.json")]
    page = judged.root / "report" / "index.html"
    built_study.run_verb(report, *options, "--output", str(page))
    text = re.sub(r"<(script|style)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.S)
    findings, audit = text.split("Judge: coverage and bias</h2>")
    assert "Judged by panel, a jury of judge (rules" in findings
    assert "Judged by c" not in findings
    assert "Scores by the jury and by each of its members · bench.panel.single" in audit
    assert "Agreement of the jury&#39;s members · bench.panel.single" in audit
