"""Answers as models give them: quotations, names, code and terms do not decide the language."""

import pytest

from babelmix.langid import compare, identify, spelled, strip_non_prose
from babelmix.langid.scripts import script_of, written

PYTHON = (
    "import numpy as np\nfrom sklearn.model_selection import train_test_split\n"
    "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2)\n"
    "model.fit(X_train, y_train)"
)


def verdict(text: str, asked: str) -> str:
    return compare(identify(strip_non_prose(text)), asked)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            "en",
            'The translation is: "Ich habe gestern einen Brief an meine Mutter geschrieben." '
            "This is the perfect tense, which is used for past events in spoken German.",
        ),
        ("de", 'Auf Englisch heißt das: "I would like to book a table for two people tonight."'),
        ("fr", "On traduit cette phrase ainsi : « Ich hätte gern ein Zimmer für zwei Nächte. »"),
        (
            "hi",
            "आप React में useState hook का उपयोग करके component की state को manage कर सकते हैं।",
        ),
        ("de", "Sie sagte: „Ich komme heute Abend etwas später nach Hause“, und legte auf."),
    ],
)
def test_what_surrounds_decides(asked: str, text: str) -> None:
    assert verdict(text, asked) == "right"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("en", "Leonardo da Vinci, Michelangelo Buonarroti, Raffaello Sanzio, Donatello"),
        ("de", "Thomas Mann, Günter Grass, Heinrich Böll"),
        ("fr", PYTHON),
        ("en", "hello - नमस्ते\nthank you - धन्यवाद\ngood morning - सुप्रभात\ngoodbye - अलविदा"),
    ],
)
def test_names_code_and_word_lists_say_nothing(asked: str, text: str) -> None:
    assert verdict(text, asked) == "unsure"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("de", 'Sure, here it is: "The capital of France is Paris, on the river Seine."'),
        ("de", "„The capital of France is Paris, and it lies on the river Seine.“"),
        ("en", "DIE HAUPTSTADT VON FRANKREICH IST PARIS UND LIEGT AN DER SEINE."),
    ],
)
def test_a_wrong_answer_stays_wrong(asked: str, text: str) -> None:
    assert verdict(text, asked) == "wrong"


def test_cyrillic_is_never_spelled_as_serbian_in_latin_script() -> None:
    found = identify("Главни град Србије је Београд, који лежи на ушћу Саве у Дунав.")
    assert spelled(found, ["sr-Latn", "de"]) == "sr"
    assert spelled(found, ["sr-Cyrl", "de"]) == "sr-Cyrl"


def test_vowel_signs_count_as_letters_of_their_script() -> None:
    assert script_of("ि") == "Deva"
    assert script_of("\u0301") is None
    assert written("की state").script == "Latn"
    assert written("हिन्दी में API").share > 0.7


def test_a_sign_of_no_script_beside_latin_letters() -> None:
    assert written("Das kostet 5 ₽ und 3 、 mehr.").script == "Latn"
    assert written("Der Text\u3000hat einen weiten Abstand \u0e3f.").script == "Latn"
