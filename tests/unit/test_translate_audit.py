"""Each check finds what it is there for, and is silent about good translations."""

import json
import time
from pathlib import Path

import pytest

from babelmix.records import Check, Message
from babelmix.translate.audit import audit, task_flag
from babelmix.translate.loops import loop_copies

EN = (
    "Please write down the 3 names that you heard at 10.30, and send 1,000.50 dollars to `bank.py`."
)
DE = (
    "Bitte schreib die 3 Namen auf, die du um 10.30 gehört hast, und schick 1.000,50 Dollar "
    "an `bank.py`."
)


def checks(source: str, target: str, lang: str = "de", pivot: str = "en") -> dict[str, Check]:
    made = audit([Message("user", source)], [Message("user", target)], pivot, lang)
    return {c.name: c for c in made}


def failed(source: str, target: str, lang: str = "de") -> set[str]:
    return {name for name, c in checks(source, target, lang).items() if not c.ok}


def test_a_good_translation_passes_all() -> None:
    found = checks(EN, DE)
    assert list(found) == [
        "turns",
        "protected",
        "numbers",
        "length_ratio",
        "sentences",
        "language",
        "untranslated",
        "repetition",
        "answered",
        "added",
        "echo",
    ]
    assert all(c.ok for c in found.values())


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (EN, {"language", "untranslated"}),
        (DE.replace("`bank.py`", "`banco.py`"), {"protected"}),
        (DE.replace("bank.py", "bank.py` `x"), {"protected"}),
        (DE.replace("3", "4"), {"numbers"}),
        (DE.replace("1.000,50", "1000,05"), {"numbers"}),
        ("Ja, 3 10.30 1.000,50 `bank.py`", {"length_ratio"}),
        ("Hier ist die Übersetzung: " + DE, {"answered"}),
        ("Natürlich! " + DE, {"answered"}),
        (DE + " Und so weiter und so fort." * 9, {"length_ratio", "repetition", "sentences"}),
        (
            "Écris les 3 noms que tu as entendus à 10.30 et envoie 1 000,50 dollars à `bank.py`.",
            {"language"},
        ),
    ],
)
def test_defects_are_found(target: str, expected: set[str]) -> None:
    assert failed(EN, target) == expected


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("It has 1,000,000 stars.", "Es hat 1 000 000 Sterne."),
        ("It has 1,000,000 stars.", "Es hat 1\u202f000\u202f000 Sterne."),
        ("It has 12,500 stars.", "Es hat 12’500 Sterne."),
        ("Pi is 3.14.", "Pi ist 3,14."),
        ("The 2nd of 10", "Der 2. von 10"),
        ("It weighs 1,000.5 kg.", "Es wiegt 1.000,5 kg."),
        ("There are four million people and 7 wickets.", "4 000 000 Menschen, sieben Wickets."),
        ("The eighth of 3.5 million", "Der 8. von 3 500 000"),
        ("It ended at 11:35 pm.", "Es endete um 23:35 Uhr."),
        ("It began at 1200 GMT, or 12.00.", "Es begann um 12:00 GMT, also 12 Uhr."),
        ("In the 1960s, in the 20th century", "In den 60er Jahren, im XX. Jahrhundert"),
        ("On March 12, 2021", "Am 12.3.2021"),
        ("It is 17,500 miles long.", "Es ist 28 000 km lang."),
        ("It is 50 km (31 miles) long.", "Es ist 50 km lang."),
    ],
)
def test_separators_of_numbers_may_change(source: str, target: str) -> None:
    assert checks(source, target)["numbers"].ok


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("In 2010 it grew by 8 %.", "2110 wuchs es um 8 %."),
        ("It has 1,000 stars.", "Es hat 1.200 Sterne."),
        ("It weighs 1.5 kg.", "Es wiegt 15 kg."),
        ("Take 3 of 5.", "Nimm 3."),
        ("Take 3.", "Nimm 3 von 50."),
        ("It ended at 11:35 pm.", "Es endete um 22:35 Uhr."),
    ],
)
def test_other_numbers_are_found(source: str, target: str) -> None:
    assert not checks(source, target)["numbers"].ok


def test_numbers_without_words_for_a_language_get_the_benefit_of_the_doubt() -> None:
    assert checks("Take 7 pills.", "Chukua vidonge saba.", lang="sw")["numbers"].ok
    assert not checks("Take 137 pills.", "Chukua vidonge saba.", lang="sw")["numbers"].ok


def test_code_without_fences_is_compared() -> None:
    code = "def add(a, b):\n    total = a + b  # sum\n    return total"
    good = f"Schreib das um:\n{code}".replace("# sum", "# Summe")
    assert checks(f"Rewrite this:\n{code}", good)["protected"].ok
    bad = checks(f"Rewrite this:\n{code}", good.replace("return", "gib"))["protected"]
    assert (bad.ok, bad.detail) == (False, "return")


def test_a_sentence_left_in_the_source_language_is_found() -> None:
    said = "The truck driver, who is aged 64, was not injured in the crash. "
    target = said + DE + " " + DE.replace("Bitte", "Und")
    assert "untranslated" in failed(said + EN + " " + EN.replace("Please", "And"), target)


def test_a_question_that_is_answered_is_found() -> None:
    source = "What is the capital of France?"
    found = checks(source, "Die Hauptstadt Frankreichs ist Paris.")["answered"]
    assert (found.ok, found.detail) == (False, "the question is gone")
    assert checks(source, "Was ist die Hauptstadt Frankreichs?")["answered"].ok
    assert checks("Sure! Here we go.", "Klar! Los geht es.")["answered"].ok


def test_a_quotation_in_a_third_language_is_no_wrong_language() -> None:
    quote = "Ich verstehe nur Bahnhof, sagte der Mann zu seiner Frau."
    assert checks(quote, quote, lang="fr")["language"].ok


@pytest.mark.parametrize(
    ("request_text", "kinds"),
    [
        ("How many times does the letter r occur in strawberry?", "letters"),
        ("Write a limerick about cats.", "rhyme_and_metre"),
        ("Summarise this in 50 words or fewer.", "word_limit"),
        ("Proofread this sentence: he go home", "correction"),
        ("Sort these alphabetically: pear, apple", "alphabet"),
        ("Unscramble tieaht.", "anagram"),
        ("Tell me a pun.", "wordplay"),
        ("Put it into the passive voice.", "grammar"),
        ("Translate this into French: hello", "translation"),
        ("Which word is misspelled?", "spelling"),
        ("Plan a dinner with friends; mean what you say.", ""),
        ("The wizard cast a spell on the frog.", ""),
        ("Solve this word problem: 3 words from a list were chosen.", ""),
    ],
)
def test_tasks_that_translation_breaks_are_flagged(request_text: str, kinds: str) -> None:
    flag = task_flag([Message("user", request_text), Message("assistant", "Here: a pun")], "en")
    assert (flag.ok, flag.value, flag.detail) == (True, float(bool(kinds)), kinds)


def test_flags_are_for_english() -> None:
    flag = task_flag([Message("user", "Schreib einen Limerick.")], "de")
    assert (flag.value, flag.detail) == (None, "not measured: the rules are for 'en'")


def test_turns() -> None:
    source = [Message("user", "q"), Message("assistant", "a")]
    assert [c.name for c in audit(source, source[:1], "en", "de")] == ["turns"]
    assert not audit(source, [Message("user", "f"), Message("assistant", " ")], "en", "de")[0].ok
    assert not audit(source, source[::-1], "en", "de")[0].ok


def test_short_texts_are_not_judged() -> None:
    found = checks("OK, thanks.", "OK, thanks.")
    assert all(c.ok for c in found.values())
    assert found["language"].detail == "not measured: too short"
    assert found["length_ratio"].value is None


def test_code_alone_is_no_untranslated_text() -> None:
    code = "```python\n" + "print('the same words in every language of the world')\n" * 3 + "```"
    assert failed(code, code) == set()


def test_unknown_languages_abstain() -> None:
    check = checks(EN, DE, lang="tlh")["language"]
    assert check.ok
    assert "unknown to the identifier" in check.detail


def test_scripts_without_spaces_may_be_short() -> None:
    source = "Please write down the names that you have heard in the meeting this morning."
    assert checks(source, "请写下你今天早上在会议上听到的名字。", lang="zh")["length_ratio"].ok
    assert not checks(source, "名字", lang="zh")["length_ratio"].ok


def test_loops() -> None:
    assert loop_copies("one two three four five six seven eight nine ten") == 1
    assert loop_copies("start " + "again and again " * 6) >= 6
    assert loop_copies("ha " * 20) == 20
    assert loop_copies("请再说一次。" * 8) == 8
    # A phrase that comes back between other words is a refrain, not a loop.
    refrain = " ".join(f"the old man said {n} and went" for n in range(12))
    assert loop_copies(refrain) == 1


def test_a_refrain_of_the_source_is_no_loop() -> None:
    source = "Sing: " + "la la la la " * 5
    assert "repetition" not in failed(source, "Sing: " + "la la la la " * 5)


@pytest.mark.parametrize("unit", ["7 ", "{", "/a", "a = ", "edit the "])
def test_a_very_long_line_takes_no_longer_than_its_length(unit: str) -> None:
    """Quadratic work would take minutes here."""
    text = unit * (200_000 // len(unit))
    started = time.process_time()
    audit([Message("user", text)], [Message("user", text + " 9")], "en", "de")
    task_flag([Message("user", text)], "en")
    assert time.process_time() - started < 60


def test_the_demos_human_translations_pass() -> None:
    folder = Path(__file__).parents[2] / "resources" / "demo"
    flagged = []
    for name in ("instructions.jsonl", "benchmark.jsonl"):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            texts = [*row["turns"], *(row.get("reference") or [])]
            for lang in ("de", "fr", "it", "es"):
                source = [Message("user", t["en"]) for t in texts]
                target = [Message("user", t[lang]) for t in texts]
                flagged += [(row, c) for c in audit(source, target, "en", lang) if not c.ok]
    assert flagged == []
