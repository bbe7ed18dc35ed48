"""Rows in two languages: who speaks which, what is exchanged, and how they are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.options import as_options

from babelmix.cli import main
from babelmix.config.base import languages_of
from babelmix.io import read_json, read_records, write_records
from babelmix.mixtures.combine import SHARE, combine, sentences
from babelmix.mixtures.summary import rows_by_turn
from babelmix.records import Check, Conversation, Message
from babelmix.specs import CombineSpec

EN = ("Summarise this.\n\nThe sea is wide. It is deep. Ships cross it.", "A wide, deep sea.")
DE = (
    "Fasse das zusammen.\n\nDas Meer ist weit. Es ist tief. Schiffe queren es.",
    "Ein weites Meer.",
)


def row(lang: str, texts: tuple[str, ...], row_id: str = "r", **fields: Any) -> Conversation:
    roles = ("user", "assistant") * 3
    messages = [Message(r, t) for r, t in zip(roles, texts, strict=False)]
    return Conversation(row_id, lang, "d", "s", messages, **fields)


def made(code: str, first: Conversation, second: Conversation) -> Conversation:
    one, other = languages_of(code)
    spec = CombineSpec(version=1, dataset="d", lang=code, first=one, second=other, seed=0)
    return combine(first, second, spec)


def check(found: Conversation, name: str) -> Check:
    return next(c for c in found.checks if c.name == name)


def test_a_question_in_one_language_and_its_answer_in_another() -> None:
    found = made("de_to_en", row("de", DE * 2), row("en", EN * 2))
    assert [m.content for m in found.messages] == [DE[0], EN[1]] * 2
    assert (found.id, found.lang) == ("r", "de_to_en")
    share = len(EN[1]) / (len(DE[0]) + len(EN[1]))
    assert check(found, SHARE).value == pytest.approx(share)


def test_an_english_instruction_on_foreign_content() -> None:
    found = made("en_on_de", row("en", EN), row("de", DE))
    assert found.messages[0].content == "Summarise this." + DE[0][len("Fasse das zusammen.") :]
    assert found.messages[1].content == DE[1]
    bare = made("en_on_de", row("en", ("Say hello.", "Hello.")), row("de", ("Grüße.", "Hallo.")))
    assert [m.content for m in bare.messages] == ["Say hello.", "Hallo."]


def test_a_code_switched_question_has_sentences_of_both() -> None:
    seen = set()
    for number in range(20):
        found = made("de_with_en", row("de", DE, f"r{number}"), row("en", EN, f"r{number}"))
        text = found.messages[0].content
        own = sentences(text, "de")
        assert len(own) == 4
        either = [
            {d.strip(), e.strip()}
            for d, e in zip(sentences(DE[0], "de"), sentences(EN[0], "en"), strict=True)
        ]
        assert all(s.strip() in e for s, e in zip(own, either, strict=True))
        assert text.count("\n") == DE[0].count("\n")
        languages = {s.strip() in {x.strip() for x in sentences(EN[0], "en")} for s in own}
        assert languages == {True, False}
        assert found.messages[1].content == DE[1]
        english = sum(len(s.strip()) for s in own if s.strip() in EN[0])
        assert check(found, SHARE).detail == f"user:{english}/{len(text)} assistant:0/{len(DE[1])}"
        seen.add(text)
    assert len(seen) > 5


@pytest.mark.parametrize(
    ("de", "en"),
    [
        ("Ein Satz. Noch einer.", "One sentence."),
        ("Ein Satz.", "One sentence."),
        ("```\na. b.\n``` Ja. Nein.", "```\na. b.\n``` Yes. No."),
    ],
)
def test_what_cannot_be_switched_stays_and_fails_its_check(de: str, en: str) -> None:
    found = made("de_with_en", row("de", (de, "Ja.")), row("en", (en, "Yes.")))
    assert found.messages[0].content == de
    assert not check(found, "code_switched").ok


def test_the_checks_of_both_rows_stay_and_other_turns_fail() -> None:
    bad = row("de", DE, checks=[Check("numbers", False, 2.0)], origin="translated")
    found = made("en_to_de", row("en", (*EN, "And?")), bad)
    assert not check(found, "numbers").ok
    assert not check(found, "same_turns").ok
    assert found.origin == "translated"


def run(folder: Path, first: list[Conversation], second: list[Conversation]) -> int:
    for name, rows in (("de", first), ("en", second)):
        write_records(folder / f"d.{name}.parquet", rows, Conversation)
    spec = CombineSpec(version=1, dataset="d", lang="de_to_en", first="de", second="en", seed=0)
    files = ["--first", str(folder / "d.de.parquet"), "--second", str(folder / "d.en.parquet")]
    out = ["--output", str(folder / "o.parquet"), "--manifest", str(folder / "o.json")]
    return main(["combine-languages", *as_options(spec.model_dump_json()), *files, *out])


def test_files_are_paired_by_id_or_refused(tmp_path: Path, capsys: Any) -> None:
    one, other = ([row(c, t, f"r{i}") for i in range(3)] for c, t in (("de", DE), ("en", EN)))
    assert run(tmp_path, one, other) == 0
    assert [r.id for r in read_records(tmp_path / "o.parquet", Conversation)] == ["r0", "r1", "r2"]
    counts = read_json(tmp_path / "o.json")
    assert (counts["rows"], counts["rows_with_second_language"]) == (3, 3)
    assert run(tmp_path, one, other[::-1]) == 2
    assert "do not hold the same ids in the same order" in capsys.readouterr().err


def test_rows_are_counted_by_the_languages_of_question_and_answer() -> None:
    rows = {"de": 5, "de_to_en": 3, "en_on_de": 2, "de_with_en": 1}
    assert rows_by_turn(rows) == {
        "asked": {"de": 11, "en": 3},
        "answered": {"de": 8, "en": 3},
    }


@pytest.mark.parametrize("code", ["de_to_en", "en_on_de", "de_with_en"])
@pytest.mark.parametrize("masked", ["both", "first", "second"])
def test_a_turn_that_is_not_trained_on_stays_so(code: str, masked: str) -> None:
    rows = [row(lang, ("One. Two.", "wrong", "Three. Four.", "right")) for lang in ("de", "en")]
    for name, one in zip(("first", "second"), rows, strict=True):
        one.messages[1].train = masked not in (name, "both")
    assert [m.train for m in made(code, *rows).messages] == [True, False, True, True]
