"""Quality estimation: a function of the user's scores rows; the audit makes it a check."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.options import as_options

from babelmix.cli import main
from babelmix.config.audit import Audit
from babelmix.config.load import build_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_records
from babelmix.plan import Jobs, Plan
from babelmix.records import Check, Conversation, Message
from babelmix.resources import ROOT
from babelmix.specs import CollectSpec, QualitySpec
from babelmix.translate.corrections import text_sha
from babelmix.translate.quality import load_function

EN = ["What is the capital of France, and how many people live there?", "Paris; 2 million."]
DE = ["Was ist die Hauptstadt von Frankreich, und wie viele leben dort?", "Paris; 2 Millionen."]
#: Scores 0.9, or 0.1 where the translation is the source; records what it was called with.
FUNCTION = """
calls = []


def score(pairs, pivot, lang):
    calls.append((pairs, pivot, lang))
    return [0.1 if a == b else 0.9 for a, b in pairs]


def short(pairs, pivot, lang):
    return [1.0]


def nan(pairs, pivot, lang):
    return [float("nan")] * len(pairs)


def breaks(pairs, pivot, lang):
    raise RuntimeError("no model")


constant = 3
"""


def row(row_id: str, lang: str, texts: list[str], checks: list[Check] | None = None) -> Any:
    messages = [Message(r, t) for r, t in zip(("user", "assistant"), texts, strict=False)]
    return Conversation(row_id, lang, "d", "s", messages, checks=checks or [])


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good row, one left in English, one that could not be translated, one that lost a turn."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources").symlink_to(ROOT / "resources")  # the demo's files, for its plan
    (tmp_path / "my_scores.py").write_text(FUNCTION, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "my_scores", raising=False)
    write_records(tmp_path / "en.parquet", [row(i, "en", EN) for i in "abcd"], Conversation)
    failed = [Check("translated", False)]
    german = [row("a", "de", DE), row("b", "de", EN), row("c", "de", EN, failed)]
    german.append(row("d", "de", DE[:1]))
    write_records(tmp_path / "de.parquet", german, Conversation)
    return tmp_path


def quality(pool: Path, function: str = "my_scores:score", *more: str) -> int:
    spec = QualitySpec(
        version=1, dataset="d", lang="de", pivot="en", function=function, function_version=""
    )
    files = ["--pivot", str(pool / "en.parquet"), "--shards", str(pool / "de.parquet")]
    files += ["--output", str(pool / "quality.json")]
    return main(["quality", *as_options(spec.model_dump_json()), *files, *more])


def collect(pool: Path, **more: Any) -> dict[str, Any]:
    given = {"version": 1, "dataset": "d", "lang": "de", "pivot": "en", "on_failed_check": "keep"}
    spec = CollectSpec.model_validate(given | more)
    files = ["--pivot", str(pool / "en.parquet"), "--shards", str(pool / "de.parquet")]
    files += ["--output", str(pool / "out.parquet"), "--audit", str(pool / "audit.json")]
    files += ["--measures", str(pool / "quality.json")]
    assert main(["collect", *as_options(spec.model_dump_json()), *files]) == 0
    report: dict[str, Any] = read_json(pool / "audit.json")
    return report


def test_rows_get_their_worst_messages_score(pool: Path) -> None:
    assert quality(pool) == 0
    made = read_json(pool / "quality.json")
    assert made["values"] == {"a": 0.9, "b": 0.1, "c": None, "d": None}
    assert made["facts"] == {"function": "my_scores:score", "version": ""}
    import my_scores  # type: ignore[import-not-found]

    # Each pair once, in one call.
    pairs = [*zip(EN, DE, strict=True), *zip(EN, EN, strict=True)]
    assert my_scores.calls == [(pairs, "en", "de")]


def test_rows_below_the_cut_off_fail_the_check(pool: Path) -> None:
    assert quality(pool) == 0
    report = collect(pool, below={"quality": 0.5})
    assert report["failed_by_check"]["quality"] == 1
    assert report["measured_by_check"]["quality"] == 2
    measure = report["measures"]["quality"]
    assert (measure["measured"], measure["median"], measure["below"]) == (2, 0.5, 0.5)
    rows = {r.id: r for r in read_records(pool / "out.parquet", Conversation)}
    checks = {i: [c for c in r.checks if c.name == "quality"] for i, r in rows.items()}
    assert checks["a"] == [Check("quality", True, 0.9, "")]
    assert checks["b"] == [Check("quality", False, 0.1, "0.1, at least 0.5 wanted")]
    assert checks["c"] == checks["d"] == []


def test_without_a_cut_off_it_is_only_measured(pool: Path) -> None:
    assert quality(pool) == 0
    report = collect(pool)
    assert "quality" not in report["failed_by_check"]
    assert report["measured_by_check"]["quality"] == 2


def test_texts_that_people_corrected_are_scored(pool: Path) -> None:
    line = {"id": "b", "lang": "de", "field": "messages.0", "text": DE[0]}
    more = {"field": "messages.1", "text": DE[1], "source_sha": text_sha(EN[1])}
    text = "".join(json.dumps(entry) + "\n" for entry in (line, line | more))
    (pool / "overlay.jsonl").write_text(text, encoding="utf-8")
    assert quality(pool, "my_scores:score", "--corrections", str(pool / "overlay.jsonl")) == 0
    assert read_json(pool / "quality.json")["values"]["b"] == 0.9


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("my_scores:short", "gave 1 scores for 4 pairs"),
        ("my_scores:nan", "not a finite number"),
        ("my_scores:breaks", "failed: RuntimeError: no model"),
        ("my_scores:nothing", "has no function 'nothing'"),
        ("my_scores:constant", "has no function 'constant'"),
        ("not_there_at_all:score", "'not_there_at_all' cannot be imported (ModuleNotFoundError"),
    ],
)
def test_functions_that_do_not_work_are_refused(
    pool: Path, function: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quality(pool, function) == 2
    assert message in capsys.readouterr().err
    assert not (pool / "quality.json").exists()


def test_scores_of_another_pool_are_refused(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = {"check": "quality", "values": {"z": 1.0}, "facts": {}}
    (pool / "quality.json").write_text(json.dumps(made), encoding="utf-8")
    with pytest.raises(AssertionError):
        collect(pool)
    assert "no value of row 'a'. Delete it, run again." in capsys.readouterr().err


def demo(audit: dict[str, Any]) -> Plan:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    for dataset in raw["datasets"].values():
        dataset["audit"] = {"held": "translation"} | audit
    return Plan(build_config(raw))


def test_the_plan_asks_for_scores_and_refuses_before_anything_runs(pool: Path) -> None:
    plan = demo({"quality": {"function": "my_scores:score", "gpus": 1}, "quality_below": 0.5})
    assert plan.problems(gpus_here=0) == []
    jobs, name = Jobs(plan), next(iter(plan.datasets))
    file = jobs.path(f"measures/quality/{name}.de.json")
    assert jobs.measures(name, "de") == [file]
    assert jobs.measures(name, "en") == []
    assert jobs.collect_options(name, "de") == f"--measures {file}"
    assert json.loads(jobs.collect(name, "de"))["below"] == {"quality": 0.5}
    assert json.loads(jobs.quality(name, "de"))["function"] == "my_scores:score"
    assert "gpus" not in jobs.quality(name, "de")  # a place, not a result
    assert jobs.quality_resource(name, "gpus") == 1
    (problem,) = demo({"quality": {"function": "not_there:score"}}).problems(gpus_here=0)
    assert f"datasets.{name}.audit.quality: quality function 'not_there:score'" in problem


def test_who_does_not_ask_gets_the_same_jobs_as_before() -> None:
    jobs = Jobs(demo({}))
    name = next(iter(jobs.plan.datasets))
    assert jobs.measures(name, "de") == []
    assert jobs.collect_options(name, "de") == ""
    assert "below" not in json.loads(jobs.collect(name, "de"))


def test_a_cut_off_needs_something_to_cut() -> None:
    with pytest.raises(ValueError, match="`quality_below` needs `quality`"):
        Audit(quality_below=0.5)
    with pytest.raises(ValueError, match="pattern"):
        Audit.model_validate({"quality": {"function": "no colon"}})


def test_a_module_that_breaks_on_import_is_named(pool: Path) -> None:
    (pool / "broken_scores.py").write_text("import not_installed_here\n", encoding="utf-8")
    with pytest.raises(BabelmixError, match="No module named 'not_installed_here'"):
        load_function("broken_scores:score")
