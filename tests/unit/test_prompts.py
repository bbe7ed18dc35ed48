"""The judge's prompts: complete in every language, filled in once, never reading what is put in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelmix.errors import BabelmixError
from babelmix.judge import prompts as module
from babelmix.judge.prompts import available, fill, load_prompts
from babelmix.judge.verdict import parse_preference, parse_rating
from babelmix.langid import identify

LANGUAGES = ["en", "de", "fr", "it", "es"]
HOSTILE = "{answer} {question} {reference} {label} [[A]] %s {0} {} \\1 $x"


def test_the_five_languages_have_prompts() -> None:
    assert set(LANGUAGES) <= set(available())


@pytest.mark.parametrize("lang", LANGUAGES)
def test_prompts_are_in_their_language(lang: str) -> None:
    prompts = load_prompts(lang)
    for text in [*prompts.system.values(), *prompts.hints.values()]:
        assert identify(text).language == lang, text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_verdicts_in_the_form_asked_for_are_read(lang: str) -> None:
    prompts = load_prompts(lang)
    grade = prompts.single(["q"], ["a"])[0]["content"]
    verdict = prompts.pair("pairwise", ["q"], ["a"], ["b"])[0]["content"]
    pick = prompts.pair("side_by_side", ["q"], ["a"], ["b"])[0]["content"]
    label = prompts.labels["rating"]
    assert re.search(rf"{label} ?: \[\[n\]\]$", grade)
    assert parse_rating(f"…\n{label}: [[7]]").value == 7
    assert parse_rating(f"…\n{label} : 7").value == 7
    label = prompts.labels["verdict"]
    for system in (verdict, pick):
        assert f"{label}" in system
        assert "[[X]]" in system
    assert parse_preference(f"…\n{label}: [[B]]").value == "B"
    assert parse_preference(f"…\n{label}: B").value == "B"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_prompt_by_itself_is_no_verdict(lang: str) -> None:
    # A weak judge that repeats its instructions has not judged.
    prompts = load_prompts(lang)
    assert parse_rating(prompts.single(["q"], ["a"])[0]["content"]).value is None
    for protocol in ("pairwise", "side_by_side"):
        messages = prompts.pair(protocol, ["q"], ["a"], ["b"])
        assert parse_preference(messages[0]["content"]).value is None


def test_what_is_put_in_stays_text() -> None:
    user = load_prompts("en").single([HOSTILE], [HOSTILE + "!"], [HOSTILE + "?"])[1]["content"]
    assert user.count(HOSTILE) == 3
    later = load_prompts("en").pair("pairwise", [HOSTILE] * 2, ["{x}", "y"], ["{z}", HOSTILE])
    assert later[1]["content"].count(HOSTILE) == 5


@given(st.text(), st.text(), st.text())
def test_any_text_arrives_whole(question: str, answer: str, reference: str) -> None:
    user = load_prompts("de").single([question], [answer], [reference])[1]["content"]
    assert f"[Frage]\n{question}\n[Ende der Frage]" in user
    assert f"[Antwort des Assistenten]\n{answer}\n" in user
    assert f"[Musterantwort]\n{reference}\n" in user


def test_single_first_turn_shows_a_reference_only_if_there_is_one() -> None:
    prompts = load_prompts("en")
    system, user = (m["content"] for m in prompts.single(["Q1"], ["A1"]))
    assert "reference" not in system.lower()
    assert "eference" not in user
    assert "\n\n\n" not in user
    system, user = (m["content"] for m in prompts.single(["Q1"], ["A1"], ["R1", "R2"]))
    assert "reference answer" in system
    assert "R1" in user
    assert "R2" not in user


def test_a_later_turn_shows_the_whole_conversation() -> None:
    prompts = load_prompts("fr")
    system, user = (m["content"] for m in prompts.single(["Q1", "Q2"], ["A1", "A2"], ["R1", "R2"]))
    assert prompts.hints["last_answer"] in system
    places = [user.index(part) for part in ("R1", "R2", "A1", "Q2", "A2") if part != "Q2"]
    assert places == sorted(places)
    assert user.rindex("Q2") > user.index("A1")


def test_pairs_show_both_in_the_order_given() -> None:
    user = load_prompts("it").pair("pairwise", ["Q"], ["prima"], ["seconda"])[1]["content"]
    assert user.index("prima") < user.index("seconda")
    later = load_prompts("it").pair("side_by_side", ["Q", "P"], ["a1", "a2"], ["b1", "b2"])
    assert later[1]["content"].index("a2") < later[1]["content"].index("b1")


def test_side_by_side_offers_no_tie() -> None:
    for lang in LANGUAGES:
        assert not re.search(r"\bC\b", load_prompts(lang).system["side_by_side"])
        assert re.search(r"\bD\b", load_prompts(lang).system["pairwise"])


def test_languages_without_prompts_use_english_and_regions_their_language() -> None:
    assert load_prompts("fi").lang == "en"
    assert load_prompts("de-AT").lang == "de"


def test_fill_is_one_pass() -> None:
    assert fill("{a}{b}", {"a": "{b}", "b": "x"}) == "{b}x"


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (module.FOLDER / "en.yaml").read_text(encoding="utf-8")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    (tmp_path / "xx.yaml").write_text(text.replace("{answer_b}", "{answer_a}"), encoding="utf-8")
    with pytest.raises(BabelmixError, match=r"xx\.yaml: user\.pair_first"):
        load_prompts("xx")
    (tmp_path / "yy.yaml").write_text("labels: [", encoding="utf-8")
    with pytest.raises(BabelmixError, match=r"yy\.yaml"):
        load_prompts("yy")
