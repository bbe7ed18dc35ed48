"""A judge that answers nothing but errors: every mean stays, and the page says what it is worth."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import built_study
import fake_study
import pytest
from tests.loopback import ScriptedServer, error
from tests.options import as_options

from babelmix.analyse.table import ReadTable
from babelmix.io import read_json, read_records, write_json
from babelmix.judge import single
from babelmix.records import Judgement
from babelmix.report import report

SILENT = "bench.silent.single"
QUESTIONS = 2


def small(root: Path) -> fake_study.FakeStudy:
    """A study as small as the tables allow."""
    only = fake_study.FEW[-2:]
    study = fake_study.make(
        root, questions=QUESTIONS, pairs=False, seeds=(0,), unscored=(), only=only
    )
    write_json(study.study, read_json(study.study) | {"bootstrap_samples": 20})
    return study


def add_silent_judge(study: fake_study.FakeStudy) -> None:
    """A second judge on the same answers, through the verb, whose server only refuses."""
    described = read_json(study.study)
    common = described["evaluations"][fake_study.SINGLE]
    described["evaluations"][SILENT] = common | {"judge": "silent", "engine": "openai"}
    described["studies"]["polyglot"]["evaluations"].append(SILENT)
    write_json(study.study, described)
    with ScriptedServer(lambda request: error(500)) as server:
        judge = {"engine": "openai", "model": "m", "base_url": server.base_url, "max_retries": 0}
        judge |= {"accept_failures": 1}
        spec = {"version": 1, "benchmark": "bench", "protocol": "single", "judge_name": "silent"}
        spec |= {"judge": judge, "languages": [*fake_study.LANGUAGES]}
        spec |= {"baseline": None, "all_languages": []}
        for answers in study.answers:
            output = study.root / "judgements" / SILENT / answers.name
            words = [*as_options(json.dumps(spec | {"run": answers.stem}))]
            words += ["--answers", str(answers), "--questions", *map(str, study.questions)]
            words += ["--journal", str(study.root / "journals" / answers.stem)]
            built_study.run_verb(single, *words, "--output", str(output))
            study.judgements.append(output)
        assert len(server.requests) > len(study.answers)


def rows_of(table: ReadTable, evaluation: str) -> list[dict[str, Any]]:
    return [row for row in table.rows if row["evaluation"] == evaluation]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any, str]:
    """Tables without the silent judge, with it, its study, and the page."""
    alone = small(tmp_path_factory.mktemp("alone"))
    before = built_study.make_tables(alone, alone.root / "tables")
    study = small(tmp_path_factory.mktemp("silent"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("babelmix.service.retry.WAIT_SCALE", 0.001)
        add_silent_judge(study)
    after = built_study.make_tables(study, study.root / "tables")
    built_study.make_figures(study, study.root / "figures")
    options = study.options("answers", "questions", "judgements", "manifests")
    for name in ("tables", "figures"):
        options += [f"--{name}", str(study.root / name / "index.json")]
    page = study.root / "report" / "index.html"
    built_study.run_verb(report, *options, "--output", str(page))
    return before, after, study, page.read_text(encoding="utf-8")


def test_nothing_it_said_is_scored(both: Any) -> None:
    judgements = [
        row
        for path in both[2].judgements
        if path.parent.name == SILENT
        for row in read_records(path, Judgement)
    ]
    assert len(judgements) == len(both[2].answers) * QUESTIONS * 2 * len(fake_study.LANGUAGES)
    assert all(row.score is None and row.verdict is None for row in judgements)
    assert all(row.unscored_reason and row.cost == 0.0 for row in judgements)


@pytest.mark.parametrize("name", ["grades", "grades_by_category", "gains"])
def test_the_other_judges_means_are_unchanged(both: Any, name: str) -> None:
    before, after, _, _ = both
    assert rows_of(before[name], fake_study.SINGLE)
    assert rows_of(after[name], fake_study.SINGLE) == rows_of(before[name], fake_study.SINGLE)


def test_it_has_no_mean_and_no_coverage(both: Any) -> None:
    _, after, _, _ = both
    covered = rows_of(after["coverage"], SILENT)
    assert covered
    assert {(row["scored"], row["coverage"]) for row in covered} == {(0, 0.0)}
    assert {row["mean"] for row in rows_of(after["grades"], SILENT)} <= {None}


def test_the_page_says_so(both: Any) -> None:
    page = re.sub(r"<(script|style)\b.*?</\1>", "", both[3], flags=re.S)
    findings, coverage = page.split("Judge: coverage and bias</h2>")
    asked = len(both[2].answers) * QUESTIONS * 2 * len(fake_study.LANGUAGES)
    assert f"silent scored none of its {asked} judgements" in findings
    assert "judge scored none" not in findings
    cells = re.findall(rf"<tr>\s*<t[dh][^>]*>{SILENT}.*?</tr>", coverage, re.S)
    assert len(cells) >= len(fake_study.LANGUAGES)
    assert any("HTTP 500" in row for row in cells)
    assert any(re.search(r">0\.0\W*%<", row) for row in cells)
