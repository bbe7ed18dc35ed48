"""Human corrections of a benchmark: applied by the verb, hashed, counted; stale ones are not."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.options import as_options

from babelmix.cli import main
from babelmix.config.evaluation import Benchmark
from babelmix.config.load import build_config, read_yaml
from babelmix.io import file_digest, read_json, read_records
from babelmix.judge.calls import render
from babelmix.judge.tasks import single_tasks
from babelmix.plan import Jobs, Plan
from babelmix.records import Answer, Question
from babelmix.resources import ROOT
from babelmix.specs import BenchmarkSpec
from babelmix.translate.corrections import question_corrections, text_sha
from babelmix.translate.import_review import overlay_text

LANGUAGES = ["en", "de", "fr"]
SOURCE = {"adapter": "mt_bench_x", "path": "{LANG}/question.jsonl", "languages": LANGUAGES}


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def rows_of(lang: str) -> list[dict[str, Any]]:
    """MT-Bench-X's shape: ids with the language's code, two turns, a reference for maths."""
    made: list[dict[str, Any]] = []
    for number, category in ((81, "writing"), (111, "math")):
        turns = [f"{lang} {number} one", f"{lang} {number} two"]
        row = {"question_id": f"{number}_{lang.upper()}", "category": category, "turns": turns}
        made.append(row | ({"reference": ["1", "2"]} if category == "math" else {}))
    return made


def part(path: Path | str) -> dict[str, str]:
    """A file as `fetch` records it."""
    return {"path": str(path), "sha256": file_digest(path)}


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    files = {lang: [part(lines(tmp_path / f"{lang}.jsonl", rows_of(lang)))] for lang in LANGUAGES}
    record = {"source": "s", "files": files, "extra": {}}
    (tmp_path / "s.json").write_text(json.dumps(record), encoding="utf-8")
    return tmp_path


def spec(lang: str, **more: Any) -> str:
    source = SOURCE | {"licence": "CC0"}
    given = {"version": 1, "name": "b", "lang": lang, "languages": LANGUAGES, "dataset": None}
    given |= {"source": source, "questions": None, "turns": None, "max_question_chars": None}
    return BenchmarkSpec.model_validate(given | {"categories": None} | more).model_dump_json()


def run(bench: Path, overlays: list[list[dict[str, Any]]], lang: str = "de", **more: Any) -> int:
    paths = [lines(bench / f"overlay{n}.jsonl", rows) for n, rows in enumerate(overlays)]
    options = ["--record", str(bench / "s.json"), "--output", str(bench / "out.parquet")]
    return main(["benchmark", *as_options(spec(lang, **more)), *options, "--corrections", *paths])


def correction(**more: Any) -> dict[str, Any]:
    return {"id": "81", "lang": "de", "field": "turns.1", "text": "besser", "by": "Ada"} | more


def test_questions_and_references_are_corrected_hashed_and_counted(bench: Path) -> None:
    fresh = correction(source_sha=text_sha("en 81 two"))
    mended = correction(id="111", field="reference.0", text="1!")
    assert run(bench, [[fresh, correction(lang="fr")], [mended]]) == 0
    first, second = read_records(bench / "out.parquet", Question)
    assert first.turns == ["de 81 one", "besser"]
    assert (second.turns, second.reference) == (["de 111 one", "de 111 two"], ["1!", "2"])
    manifest = read_json(bench / "out.json")
    overlay = manifest["overlay"]
    assert (overlay["texts"], overlay["rows"], overlay["by"]) == (2, 2, {"Ada": 2})
    paths = [bench / "overlay0.jsonl", bench / "overlay1.jsonl"]
    assert overlay["files"] == [{"file": str(p), "sha256": file_digest(p)} for p in paths]
    assert manifest["read"] == manifest["kept"] == 2
    assert not any("stale" in warning for warning in manifest["warnings"])


def test_the_judge_is_shown_the_corrected_reference(bench: Path) -> None:
    assert run(bench, [[correction(id="111", field="reference.0", text="the mended one")]]) == 0
    question = read_records(bench / "out.parquet", Question)[1]
    answer = Answer("111", "de", "math", 1, "r", question.turns[0], "x", "stop", 1, 1, "")
    (task, _) = single_tasks([question], {("de", "111", 1, 0): answer})
    prompt = render(task, "single", "tested")[-1]["content"]
    assert "the mended one" in prompt
    assert question.turns[0] in prompt


def test_stale_and_unknown_corrections_are_counted_and_said(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bench, [[correction(source_sha=text_sha("old")), correction(id="7")]]) == 0
    assert read_records(bench / "out.parquet", Question)[0].turns[1] == "de 81 two"
    overlay = read_json(bench / "out.json")["overlay"]
    assert overlay["stale"] == {"count": 1, "first": ["81 turns.1"]}
    assert overlay["unknown_id"] == {"count": 1, "first": ["7 turns.1"]}
    said = capsys.readouterr().err
    assert "1 corrections in 'de' are stale and not applied" in said
    assert "7 turns.1" in said


def test_other_languages_corrections_decide_with_which_questions_are_asked(bench: Path) -> None:
    long = correction(lang="fr", text="x" * 99)
    assert run(bench, [[long]], max_question_chars=50) == 0
    assert [q.question_id for q in read_records(bench / "out.parquet", Question)] == ["111"]
    assert read_json(bench / "out.json")["overlay"]["texts"] == 0


@pytest.mark.parametrize(
    ("overlays", "message"),
    [
        ([[correction(field="turns.7")]], "question 81 has no turns.7"),
        ([[correction()], [correction(text="noch besser")]], "corrected more than once: 81 de"),
    ],
)
def test_broken_overlays_are_refused(
    bench: Path,
    overlays: list[list[dict[str, Any]]],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(bench, overlays) == 2
    assert message in capsys.readouterr().err
    assert not (bench / "out.parquet").exists()


def test_the_overlay_is_an_input_of_the_rule() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    name, plain = "demo-bench", Jobs(Plan(build_config(raw)))
    assert set(plain.benchmark_input(name)) == {"record"}
    assert "--corrections" not in plain.benchmark_option(name)
    raw["benchmarks"][name]["corrections"] = "by hand/{lang}.csv"
    jobs = Jobs(Plan(build_config(raw)))
    files = jobs.benchmark_input(name)["corrections"]
    assert files == [f"by hand/{lang}.csv" for lang in ("de", "fr", "it", "es")]
    assert "--corrections 'by hand/de.csv'" in jobs.benchmark_option(name)
    raw["benchmarks"][name]["corrections"] = "all.csv"
    assert Jobs(Plan(build_config(raw))).benchmark_input(name)["corrections"] == ["all.csv"]


def test_a_pool_names_its_own_overlay() -> None:
    with pytest.raises(ValueError, match="a dataset names its own overlay"):
        Benchmark(dataset="d", languages=["de"], corrections="x.csv")


@pytest.mark.real
@pytest.mark.parametrize("lang", ["de", "es", "fr", "it"])
def test_mt_bench_x_originals_and_an_overlay_give_its_corrected_questions(
    lang: str, real_data: Path, tmp_path: Path
) -> None:
    def place(code: str, version: str) -> Path:
        return real_data / "mt_bench_x" / f"mt_bench_{code.upper()}" / f"{version}.jsonl"

    def made(version: str, overlay: list[str]) -> dict[str, list[Question]]:
        files = {"en": [part(place("en", "question"))]}
        files[lang] = [part(place(lang, version))]
        record = {"source": "s", "files": files, "extra": {}}
        (tmp_path / "s.json").write_text(json.dumps(record), encoding="utf-8")
        found = {}
        for code in ("en", lang):
            options = ["--record", str(tmp_path / "s.json"), *overlay]
            options += ["--output", str(tmp_path / "q.parquet")]
            given = spec(code, languages=["en", lang])
            assert main(["benchmark", *as_options(given), *options]) == 0
            found[code] = read_records(tmp_path / "q.parquet", Question)
        return found

    original, wanted = made("question_original", []), made("question", [])
    english = {q.question_id: q for q in original["en"]}
    overlay = question_corrections(original[lang], wanted[lang], english, by="MT-Bench-X")
    path = tmp_path / "overlay.jsonl"
    path.write_text(overlay_text(overlay), encoding="utf-8")
    again = made("question_original", ["--corrections", str(path)])
    assert len(overlay) > 20
    assert [q.turns for q in again[lang]] == [q.turns for q in wanted[lang]]
    assert again["en"] == original["en"]
