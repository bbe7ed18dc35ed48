"""Choice of questions: the same in every language, spread over the categories."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.options import as_options

from babelmix.cli import main
from babelmix.errors import BabelmixError
from babelmix.io import file_digest, read_json, read_records, write_records
from babelmix.records import Check, Conversation, Message, Question
from babelmix.sources.benchmark import (
    choose_questions,
    cut_turns,
    from_conversations,
    natural_key,
    spread,
)
from babelmix.specs import BenchmarkSpec

SOURCE = {"adapter": "mt_bench_x", "path": "{LANG}/q.jsonl", "languages": ["en", "de"]}


def spec(**more: Any) -> BenchmarkSpec:
    given = {"version": 1, "name": "b", "lang": "en", "languages": ["en", "de"], "dataset": None}
    given |= {"source": SOURCE | {"licence": "CC0"}, "questions": None, "turns": None}
    given |= {"max_question_chars": None, "categories": None}
    return BenchmarkSpec.model_validate(given | more)


def question(number: int, category: str, lang: str = "en", size: int = 5) -> Question:
    return Question(str(number), lang, category, ["x" * size, "y"])


def both(*questions: Question) -> dict[str, list[Question]]:
    german = [Question(q.question_id, "de", q.category, list(q.turns)) for q in questions]
    return {"en": list(questions), "de": german[::-1]}


def test_ids_in_order_of_their_numbers() -> None:
    ids = ["100", "9", "q10", "q9", "81"]
    assert sorted(ids, key=natural_key) == ["9", "81", "100", "q9", "q10"]


def test_questions_are_spread_over_categories() -> None:
    made = [question(n, "ab"[n // 8]) for n in range(10)]
    ids, left_out = choose_questions(both(*made), spec(questions=3))
    assert ids == ["0", "1", "8"]
    assert left_out == {"more than `questions`": 7}


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(1, 30))
def test_spread_is_even_and_takes_first_ids(categories: list[str], count: int) -> None:
    made = [question(n, c) for n, c in enumerate(categories)]
    ids = [int(i) for i in spread(made, count)]
    assert len(ids) == min(count, len(made))
    assert ids == sorted(ids)
    sizes = {c: sum(categories[i] == c for i in ids) for c in set(categories)}
    for category, size in sizes.items():
        own = [n for n, c in enumerate(categories) if c == category]
        assert [i for i in ids if categories[i] == category] == own[:size]
        # A category has fewer than another only because it has no more.
        assert size == len(own) or size >= max(sizes.values()) - 1


def test_a_long_turn_in_any_language_leaves_the_question_out() -> None:
    made = both(question(1, "a"), question(2, "a"))
    made["de"][0].turns[0] = "x" * 50
    ids, left_out = choose_questions(made, spec(max_question_chars=20))
    assert ids == ["1"]
    assert left_out == {"longer than max_question_chars": 1}
    made["de"][0].turns = ["x", "y" * 50]
    assert len(choose_questions(made, spec(max_question_chars=20, turns=1))[0]) == 2


def test_categories() -> None:
    made = both(question(1, "math"), question(2, "stem"))
    assert choose_questions(made, spec(categories=["math"]))[0] == ["1"]
    with pytest.raises(BabelmixError, match="Did you mean 'math'"):
        choose_questions(made, spec(categories=["maths"]))


def test_languages_with_other_questions_are_refused() -> None:
    made = both(question(1, "a"), question(2, "a"))
    made["de"].pop()
    with pytest.raises(BabelmixError, match=r"'en' and 'de' differ .*: 1\. "):
        choose_questions(made, spec())


def test_cut_turns_cuts_references_too() -> None:
    made = Question("1", "en", "a", ["q", "r"], ["s", "t"])
    assert cut_turns(made, 1) == Question("1", "en", "a", ["q"], ["s"])


def conversation(row_id: str, lang: str, failed: str = "") -> Conversation:
    messages = [Message("user", f"{row_id} {lang}"), Message("assistant", "a")]
    return Conversation(row_id, lang, "d", "koala", messages, checks=[Check(failed, not failed)])


def test_a_pools_turns_as_questions() -> None:
    files = [
        [conversation("a", "en"), conversation("b", "en")],
        [conversation("a", "de", "numbers"), conversation("b", "de", "translated")],
    ]
    by_lang, counts = from_conversations(files, spec(source=None, dataset="d"))
    assert by_lang["de"] == [Question("a", "de", "koala", ["a de"], ["a"])]
    assert [q.question_id for q in by_lang["en"]] == ["a"]
    assert counts == {"absent": 1, "flagged": 1}
    with pytest.raises(BabelmixError, match="one file for each"):
        from_conversations(files[:1], spec(source=None, dataset="d"))


def test_prompts_alone_have_no_reference() -> None:
    rows = [Conversation("a", lang, "d", "s", [Message("user", "q")]) for lang in ("en", "de")]
    by_lang, _ = from_conversations([[r] for r in rows], spec(source=None, dataset="d"))
    assert by_lang["en"][0].reference == []


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files: dict[str, Any] = {}
    for lang in ("en", "de"):
        rows = [
            {"question_id": f"{n}_{lang.upper()}", "category": "c", "turns": [f"{lang}{n}"]}
            for n in (100, 81)
        ]
        path = tmp_path / f"{lang}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        files[lang] = [{"path": str(path), "sha256": file_digest(path)}]
    record = {"source": "s", "files": files, "extra": {}}
    (tmp_path / "s.json").write_text(json.dumps(record))
    out = tmp_path / "b.de.parquet"
    options = ["--record", str(tmp_path / "s.json"), "--output", str(out)]
    assert main(["benchmark", *as_options(spec(lang="de").model_dump_json()), *options]) == 0
    assert capsys.readouterr().out == "benchmark b.de: 2 of 2 questions\n"
    assert [q.turns for q in read_records(out, Question)] == [["de81"], ["de100"]]
    assert read_json(tmp_path / "b.de.json")["kept"] == 2


def test_the_verb_on_a_pool(tmp_path: Path) -> None:
    paths = []
    for lang in ("en", "de"):
        paths.append(str(tmp_path / f"{lang}.parquet"))
        write_records(paths[-1], [conversation("a", lang), conversation("b", lang)], Conversation)
    given = spec(source=None, dataset="d", questions=1).model_dump_json()
    options = ["--conversations", *paths, "--output", str(tmp_path / "b.parquet")]
    options += ["--manifest", str(tmp_path / "m.json")]
    assert main(["benchmark", *as_options(given), *options]) == 0
    manifest = read_json(tmp_path / "m.json")
    assert (manifest["kept"], manifest["absent"]) == (1, 0)
