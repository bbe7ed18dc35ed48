"""Each check finds what it is there for, and is silent about good translations."""

import json
from pathlib import Path

import pytest

from babelmix.records import Check, Message
from babelmix.translate.audit import audit, loop_copies

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
        "language",
        "untranslated",
        "repetition",
    ]
    assert all(c.ok for c in found.values())


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (EN, {"language", "untranslated"}),
        (DE.replace("`bank.py`", "`banco.py`"), {"protected"}),
        (DE.replace("bank.py", "bank.py` `x"), {"protected"}),
        (DE.replace("3", "4"), {"numbers"}),
        (DE.replace("1.000,50", "1000,5"), {"numbers"}),
        ("Ja, 3 10.30 1.000,50 `bank.py`", {"length_ratio"}),
        (DE + " Und so weiter und so fort." * 9, {"length_ratio", "repetition"}),
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
    ],
)
def test_separators_of_numbers_may_change(source: str, target: str) -> None:
    assert checks(source, target)["numbers"].ok


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
    check = checks(EN, DE, lang="gsw")["language"]
    assert check.ok
    assert "unknown to py3langid" in check.detail


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
