"""A benchmark in a new language: translated, corrected by people, used, and handed on."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.study import ROOT, Study, mini_config

from babelmix.cli import main
from babelmix.config.load import build_config
from babelmix.io import read_json, read_records
from babelmix.plan import Jobs, Plan
from babelmix.plan.cost import cost_lines
from babelmix.plan.preflight import refusals
from babelmix.plan.quantities import n_questions
from babelmix.records import Conversation, Question
from babelmix.sources.fetch import fetch
from babelmix.sources.question_files import QuestionFiles
from babelmix.specs import FetchSpec

OWN = [
    {
        "question_id": 81,
        "category": "writing",
        "turns": ["Write a post about Hawaii.", "Make it shorter."],
    },
    {
        "question_id": 101,
        "category": "reasoning",
        "turns": ["You overtake the second. Where are you?", "And the last?"],
        "reference": ["You are second.", "That cannot be."],
    },
    {"question_id": 111, "category": "math", "turns": ["What is 2 + 3?", "Times 2?"]},
    {"question_id": 82, "category": "writing", "turns": ["Write a mail.", "Rate it."]},
]
PAIRS = {
    "Write a post about Hawaii.": "Schreibe einen Beitrag über Hawaii.",
    "Make it shorter.": "Kürze ihn.",
    "You overtake the second. Where are you?": "Du überholst den Zweiten. Wo bist du?",
    "And the last?": "Und den Letzten?",
    "You are second.": "Du bist Zweiter.",
    "That cannot be.": "Das geht nicht.",
    "What is 2 + 3?": "Was ist 2 + 3?",
    "Times 2?": "Mal 2?",
}


def config_of(folder: Path, **benchmark: Any) -> dict[str, Any]:
    """The mini study, whose benchmark is English questions of one's own, asked in German too."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in OWN)
    (folder / "own.jsonl").write_text(lines, encoding="utf-8")
    memory = [{"turns": [{"role": "user", "en": en, "de": de}]} for en, de in PAIRS.items()]
    text = "".join(json.dumps(row) + "\n" for row in memory)
    (folder / "memory.jsonl").write_text(text, encoding="utf-8")
    config = mini_config()
    path = str(folder / "own.jsonl")
    config["sources"]["own"] = {"adapter": "mt_bench", "path": path, "licence": "CC0"}
    memory_path = str(folder / "memory.jsonl")
    config["translators"]["people"] = {"backend": "memory", "path": memory_path}
    bench = config["benchmarks"].pop("demo-bench")
    bench |= {"source": "own", "translator": "people", "questions": 3, **benchmark}
    config["benchmarks"]["own"] = bench
    for evaluation in config["studies"]["demo"]["evaluations"]:
        evaluation["benchmark"] = "own"
    return config


def plan_of(config: dict[str, Any]) -> Plan:
    return Plan(build_config(config))


def test_only_what_is_asked_is_translated(tmp_path: Path) -> None:
    plan = plan_of(config_of(tmp_path))
    assert refusals(plan) == ([], [])
    assert n_questions(plan, "own") == 3
    (line,) = [line for line in cost_lines(plan) if line.what == "own into de"]
    assert line.amount.startswith("≈ 0.00 M characters")
    jobs = Jobs(plan)
    assert jobs.benchmark_input("own")["conversations"] == [
        "results/mini/conversations/own.en.parquet",
        "results/mini/conversations/own.de.parquet",
    ]
    assert json.loads(jobs.normalise("own", "en"))["choice"]["questions"] == 3


@pytest.mark.parametrize(
    ("benchmark", "told"),
    [
        ({"translator": None}, "benchmarks.own.languages"),
        ({"translator": {"en": "people"}}, "benchmarks.own.translator: none for de"),
        ({"translator": "nobody"}, "translator 'nobody'"),
        ({"languages": ["en"]}, "so nothing is translated"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    tmp_path: Path, benchmark: dict[str, Any], told: str
) -> None:
    with pytest.raises(Exception, match="benchmarks") as error:
        plan_of(config_of(tmp_path, **benchmark))
    assert told in str(error.value)


def questions(study: Study, lang: str) -> dict[str, Question]:
    path = study.results / "benchmarks" / f"own.{lang}.parquet"
    return {q.question_id: q for q in read_records(path, Question)}


def test_translated_corrected_used_and_handed_on(tmp_path: Path) -> None:
    study = Study(tmp_path / "study", config_of(tmp_path))
    wanted = [f"results/mini/benchmarks/own.{c}.parquet" for c in ("en", "de")]
    done = study.run(*wanted)
    assert done.returncode == 0, done.stdout[-3000:]
    german = questions(study, "de")
    assert list(german) == ["81", "101", "111"]  # one per category, four are there
    assert german["101"].turns == ["Du überholst den Zweiten. Wo bist du?", "Und den Letzten?"]
    assert german["101"].reference == ["Du bist Zweiter.", "Das geht nicht."]
    assert german["101"].category == "reasoning"
    assert german["81"].reference == []
    manifest = read_json(study.results / "normalised" / "own.en.json")
    assert (manifest["read"], manifest["kept"]) == (4, 3)
    assert manifest["left_out"] == {"more than `questions`": 1}

    # People correct a turn and a reference.
    files = {
        "--pivot": study.results / "conversations" / "own.en.parquet",
        "--conversations": study.results / "conversations" / "own.de.parquet",
    }
    named = [str(part) for pair in files.items() for part in pair]
    sheet = tmp_path / "review.csv"
    assert main(["export-review", *named, "--output", str(sheet)]) == 0
    with sheet.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 8  # six turns and two references
    for row in rows:
        better = {"Kürze ihn.": "Fass ihn kürzer.", "Das geht nicht.": "Das ist unmöglich."}
        if row["translation"] in better:
            row |= {"text": better[row["translation"]], "by": "Ada"}
    with sheet.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    overlay = tmp_path / "corrections.de.jsonl"
    assert main(["import-review", "--sheet", str(sheet), *named, "--output", str(overlay)]) == 0

    study.config["benchmarks"]["own"]["corrections"] = str(tmp_path / "corrections.{lang}.jsonl")
    jobs = study.planned(*wanted)
    assert "translate_shard" not in jobs  # nothing is bought again
    done = study.run(*wanted)
    assert done.returncode == 0, done.stdout[-3000:]
    corrected = questions(study, "de")
    assert corrected["81"].turns[1] == "Fass ihn kürzer."
    assert corrected["101"].reference[1] == "Das ist unmöglich."
    assert corrected["111"] == german["111"]

    # Handed on in MT-Bench-X's own files, which our reader of those takes as they are.
    folder = tmp_path / "own_x"
    given = ["--results", str(study.results), "--benchmark", "own", "--output", str(folder)]
    assert main(["export-benchmark", *given]) == 0
    german_files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*DE/**/*.jsonl"))
    assert german_files == [
        "mt_bench_DE/corrections.jsonl",
        "mt_bench_DE/question.jsonl",
        "mt_bench_DE/question_original.jsonl",
        "mt_bench_DE/reference_answer/gpt-4.jsonl",
    ]
    first = json.loads((folder / "mt_bench_DE/question.jsonl").read_text().splitlines()[0])
    assert first["question_id"] == "81_DE"
    assert (folder / "mt_bench_DE/corrections.jsonl").read_text().splitlines() == [
        '{"question_id": "81_DE", "category": "writing"}'
    ]
    source = build_config(
        config_of(tmp_path)
        | {
            "sources": {
                **config_of(tmp_path)["sources"],
                "own": {
                    "adapter": "mt_bench_x",
                    "path": f"{folder}/mt_bench_{{LANG}}/question.jsonl",
                    "languages": ["en", "de"],
                    "licence": "CC0",
                },
            }
        }
    ).sources["own"]
    record = fetch(FetchSpec(version=1, name="own", source=source), tmp_path / "raw")
    read = QuestionFiles(record, source)
    assert {q.question_id: q for q in read.questions("de")} == corrected
    assert {q.question_id: q for q in read.questions("en")} == questions(study, "en")
    _, facts = read.examine(read.questions("de"), "de")
    assert facts["corrections"] == {
        "listed": 1,
        "changed": 1,
        "listed_but_the_same": [],
        "changed_but_not_listed": [],
    }


def test_a_question_without_a_translation_is_asked_in_no_language(tmp_path: Path) -> None:
    config = config_of(tmp_path, questions=None)
    study = Study(tmp_path / "study", config)
    done = study.run("results/mini/benchmarks/own.en.parquet")
    assert done.returncode == 0, done.stdout[-3000:]
    assert set(questions(study, "en")) == {"81", "101", "111"}
    manifest = read_json(study.results / "benchmarks" / "own.en.json")
    assert manifest["absent"] == 1
    assert "1 questions could not be translated into some language" in manifest["warnings"][0]
    assert "82" in manifest["warnings"][0]
    rows = read_records(study.results / "conversations" / "own.de.parquet", Conversation)
    assert len(rows) == 4  # kept with its failed check, for people to translate


def test_real_mt_bench_in_a_language_of_its_own(tmp_path: Path, real_data: Path) -> None:
    """English MT-Bench, copied into Portuguese: four of 80 questions, every category's turn."""
    config = config_of(tmp_path, questions=4, languages=["en", "pt"], translator="copy")
    config["languages"] = [*config["languages"], "pt"]
    config["translators"]["copy"] = {"backend": "identity"}
    path = str(real_data / "mt_bench" / "en" / "question.jsonl")
    config["sources"]["own"] = {"adapter": "mt_bench", "path": path, "licence": "Apache-2.0"}
    study = Study(tmp_path / "study", config)
    done = study.run("results/mini/benchmarks/own.pt.parquet")
    assert done.returncode == 0, done.stdout[-3000:]
    shard = read_json(study.results / "translations" / "own.pt" / "0.json")
    assert shard["rows_in"] == 4
    found = questions(study, "pt")
    assert len({q.category for q in found.values()}) == 4
    assert all(len(q.turns) == 2 for q in found.values())
    assert any(len(q.reference) == 2 for q in found.values())


def test_the_steps_of_the_docs_are_a_configuration(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "benchmarks-in-new-languages.md").read_text(encoding="utf-8")
    first, second, *_ = re.findall(r"^```yaml\n(.*?)^```$", page, flags=re.M | re.S)
    given = yaml.safe_load(first + second)
    config = mini_config()
    config["languages"] = given["languages"]
    for section in ("sources", "translators", "benchmarks"):
        config[section] |= given[section]
    for evaluation in config["studies"]["demo"]["evaluations"]:
        evaluation["benchmark"] = "mtb"
    plan = plan_of(config)
    assert plan.question_pools == {"mtb": "mtb"}
    assert [plan.is_translated("mtb", c) for c in ("en", "de", "pt")] == [False, False, True]
    assert Jobs(plan).corrections_file("mtb", "pt") == ["corrections/mtb.pt.jsonl"]
    assert Jobs(plan).corrections_file("mtb", "de") == []
