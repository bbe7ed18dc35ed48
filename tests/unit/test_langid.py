"""The language identifier that the translation audit, the judge and the scores share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelmix.langid import (
    MIN_LETTERS,
    count_letters,
    identify,
    identify_all,
    strip_non_prose,
    supported,
)

FIVE = ["en", "de", "fr", "it", "es"]
SENTENCES = {
    "en": "The library closes early on the last Friday of every month.",
    "de": "Die Bibliothek schließt am letzten Freitag jedes Monats früher.",
    "fr": "La bibliothèque ferme plus tôt le dernier vendredi de chaque mois.",
    "it": "La biblioteca chiude prima l'ultimo venerdì di ogni mese.",
    "es": "La biblioteca cierra temprano el último viernes de cada mes.",
}


@pytest.mark.parametrize("lang", FIVE)
def test_a_sentence_is_recognised_among_the_candidates(lang: str) -> None:
    found, probability = identify(SENTENCES[lang], FIVE)
    assert found == lang
    assert 0.5 < probability <= 1.0


def test_short_text_is_not_judged() -> None:
    assert identify("Ja, gern!", FIVE) == (None, 0.0)
    assert identify("", FIVE) == (None, 0.0)
    assert identify("12345 67890 12345 67890 12345", FIVE) == (None, 0.0)


def test_dense_scripts_count_more() -> None:
    assert count_letters("日本語の文です") >= MIN_LETTERS
    assert identify("これは日本語の文です。", ["en", "ja", "zh-Hans"])[0] == "ja"
    assert identify("这是一个用中文写的句子。", ["en", "ja", "zh-Hans"])[0] == "zh-Hans"


def test_one_candidate_alone_is_not_always_right() -> None:
    assert identify(SENTENCES["de"], ["en"])[0] == "de"


def test_sets_of_candidates_do_not_disturb_each_other() -> None:
    assert identify(SENTENCES["fr"], ["en", "fr"])[0] == "fr"
    assert identify(SENTENCES["fr"], ["en", "it"])[0] in ("en", "it")
    assert identify(SENTENCES["fr"], FIVE)[0] == "fr"


def test_unknown_candidates_are_set_aside() -> None:
    assert supported(["xx", "en", "pt-BR"]) == ["en", "pt-BR"]
    assert identify(SENTENCES["de"], ["xx", "en", "de"])[0] == "de"


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("Look: ```python\nprint('hello')\n``` done", "Look: done"),
        ("Cut off\n```js\nlet x = 1;", "Cut off"),
        ("Use `len(x)` here", "Use here"),
        ("See https://a.example/b?c=d and www.x.org, or mail me@x.org", "See and or mail"),
        ("It costs 3,50 or 12 %", "It costs or %"),
        ("<b>bold</b> text", "bold text"),
        (r"With \(x^2\) and $$y$$ gone", "With and gone"),
        ("a < b and b > c", "a < b and b > c"),
    ],
)
def test_only_prose_stays(text: str, prose: str) -> None:
    assert strip_non_prose(text) == prose


@given(st.text())
def test_stripping_never_adds_letters_and_is_stable(text: str) -> None:
    once = strip_non_prose(text)
    assert count_letters(once) <= count_letters(text)
    identify(once, FIVE)


@pytest.mark.parametrize("candidates", [FIVE, ["en", "sr", "hr", "ru"], ["en"], []])
def test_many_texts_get_the_answers_that_each_gets_alone(candidates: list[str]) -> None:
    texts = [
        *SENTENCES.values(),
        *(f"{a} {b}" for a in SENTENCES.values() for b in SENTENCES.values()),
        SENTENCES["de"].upper(),
        "Ово је реченица на српском језику.",
        "图书馆在每个月的最后一个星期五提前关门。",
        "?!" * 40,
        "short",
        "",
        "Je vois\ud800 une bibliothèque dans la rue.",
    ]
    for one, many in zip(
        (identify(text, candidates) for text in texts),
        identify_all(texts, candidates),
        strict=True,
    ):
        assert many[0] == one[0]
        assert many[1] == pytest.approx(one[1], abs=1e-4)
    assert identify_all([], candidates) == []
