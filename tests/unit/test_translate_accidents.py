"""What happens to translations: lost ends, additions, moved placeholders, numerals of all kinds."""

from __future__ import annotations

import pytest

from babelmix.records import Message
from babelmix.translate.alignment import unpaired_sentences
from babelmix.translate.audit import audit
from babelmix.translate.lengths import fixed_lengths
from babelmix.translate.numbers import odd_numbers
from babelmix.translate.numerals import numeral_value
from babelmix.translate.texts import Text

QUESTION, FRAGE = "Say something to a friend.", "Sag etwas zu einem Freund."


def failed(answer: str, translated: str, lang: str = "de") -> set[str]:
    return failed_row((QUESTION, answer), (FRAGE, translated), lang) - {"language", "length_ratio"}


def failed_row(source: tuple[str, str], target: tuple[str, str], lang: str = "de") -> set[str]:
    roles = ("user", "assistant")
    before, after = (
        [Message(role, text) for role, text in zip(roles, side, strict=True)]
        for side in (source, target)
    )
    return {check.name for check in audit(before, after, "en", lang) if not check.ok}


@pytest.mark.parametrize(
    ("lang", "translated"),
    [
        ("de", "Mir geht es gut. (Hinweis: Hier steht die informelle Anrede.)"),
        ("de", "Mir geht es gut.\n\n**Anmerkung:** Die Anrede ist informell."),
        ("fr", "Je vais bien, merci.\n\nRemarque : j'ai gardé le tutoiement."),
        ("es", "Estoy bien, gracias. (Nota del traductor: se usa el tuteo)"),
        ("es", "Estoy bien, gracias. (he usado la forma informal del saludo)"),
        ("it", "Sto bene, grazie.\nNote: I kept the informal form."),
        ("ja", "元気です。\n\n注：くだけた表現にしました。"),
        ("ru", "Всё хорошо, спасибо. (Примечание: использовано обращение на «ты».)"),
    ],
)
def test_a_note_after_the_translation_is_an_addition(lang: str, translated: str) -> None:
    assert "added" in failed("I am fine, thank you.", translated, lang)


@pytest.mark.parametrize(
    "translated",
    ['"Mir geht es gut, danke."', "„Mir geht es gut, danke.“", "»Mir geht es gut, danke.«"],
)
def test_quotation_marks_around_the_whole_are_an_addition(translated: str) -> None:
    assert "added" in failed("I am fine, thank you.", translated)


@pytest.mark.parametrize(
    ("answer", "translated"),
    [
        ('"Hello", he said to "them".', "„Hallo“, sagte er zu „ihnen“."),
        ('"I am fine, thank you."', "„Mir geht es gut, danke.“"),
        ("Note: the shop is closed today.", "Hinweis: Der Laden ist heute geschlossen."),
        ("It is closed (a pity for all of us).", "Es ist zu (schade für uns alle miteinander)."),
        ("Please note: bring a pen.", "Bitte beachten: Bring einen Stift mit."),
    ],
)
def test_what_the_source_has_itself_is_no_addition(answer: str, translated: str) -> None:
    assert "added" not in failed(answer, translated)


SENTENCES = [
    (
        "The river rises in the mountains of the north.",
        "Der Fluss entspringt in den Bergen des Nordens.",
    ),
    (
        "Fishermen have lived on its banks for centuries.",
        "An seinen Ufern leben seit Jahrhunderten Fischer.",
    ),
    (
        "In spring the water covers the lower fields.",
        "Im Frühling bedeckt das Wasser die unteren Felder.",
    ),
    (
        "The old mill was closed after the last war.",
        "Die alte Mühle wurde nach dem letzten Krieg geschlossen.",
    ),
    (
        "Today a small museum tells the story of the valley.",
        "Heute erzählt ein kleines Museum die Geschichte des Tals.",
    ),
]


@pytest.mark.parametrize("lost", range(5))
def test_one_of_five_sentences_missing_is_found(lost: int) -> None:
    source = " ".join(a for a, _ in SENTENCES)
    kept = " ".join(b for i, (_, b) in enumerate(SENTENCES) if i != lost)
    # A small pool: how long translations are is not known, only guessed.
    found = unpaired_sentences(Text(source), Text(kept), fixed_lengths("en", "de"))
    assert len(found.lost) == 1
    assert not found.added


def test_a_third_cut_off_is_found_in_a_pool_of_one_row() -> None:
    source = " ".join(a for a, _ in SENTENCES)
    whole = " ".join(b for _, b in SENTENCES)
    assert "sentences" not in failed(source, whole)
    assert "sentences" in failed(source, whole[: len(whole) * 2 // 3])
    one = "The committee met on Tuesday to discuss the budget and its effects on all schools."
    assert "sentences" in failed(one, "Der Ausschuss traf sich am Dienstag, um den Haushalt und")


def test_sentences_that_a_translator_joins_or_splits_are_not_lost() -> None:
    source = "He came late, because the train had stopped twice on the way. Nobody was angry."
    split = "Er kam zu spät. Der Zug hatte nämlich zweimal unterwegs gehalten. Böse war niemand."
    joined = "Er kam zu spät, weil der Zug zweimal gehalten hatte, und niemand war deshalb böse."
    assert "sentences" not in failed(source, split)
    assert "sentences" not in failed(source, joined)
    dots = "Luna was as freaky as me...maybe even more. We will miss her."
    assert "sentences" not in failed(
        dots, "Luna war so verrückt wie ich … vielleicht mehr. Wir vermissen sie."
    )


def test_a_correction_with_nothing_left_to_correct_is_an_echo() -> None:
    source = ("Correct it: He go to school every day.", "He goes to school every day.")
    target = ("Korrigiere: Er geht jeden Tag zur Schule.", "Er geht jeden Tag zur Schule.")
    assert failed_row(source, target) == {"echo"}
    options = ("Which is it: a good day or a bad day for all?", "a good day")
    assert "echo" not in failed_row(options, ("Was ist es: ein guter Tag?", "ein guter Tag"))


@pytest.mark.parametrize(
    ("answer", "translated"),
    [
        ('Like this: {"name": "Ann", "age": 3}.', 'So: {"Name": "Ann", "Alter": 3}.'),
        ("Like this: {'name': 'Ann', 'age': 3}.", "So: {'Name': 'Ann', 'age': 3}."),
        ('Call print("hello") at once.', 'Rufe drucke("hallo") sofort auf.'),
        ("Set max_depth to 3.", "Setze max_tiefe auf 3."),
        ("Then call model.fit(x=3) again.", "Rufe dann Modell.passe_an(x=3) erneut auf."),
        ("It may have at most {max} characters.", "{max} Der Eintrag darf Zeichen haben."),
        ("It may have at most {max} characters.", "Er darf höchstens Zeichen haben. {max}"),
    ],
)
def test_keys_code_and_placeholders_in_prose_are_protected(answer: str, translated: str) -> None:
    assert "protected" in failed(answer, translated)


@pytest.mark.parametrize(
    ("answer", "translated"),
    [
        ('Like this: {"name": "Ann", "age": 3}.', 'So: {"name": "Anna", "age": 3}.'),
        ("There are {n} entries in the list.", "{n} Einträge stehen in der Liste."),
        ("Take the item(s) and the child(ren).", "Nimm die Artikel und die Kinder."),
        ("{name} has {n} friends.", "{name} hat {n} Freunde."),
        ('He said "wait": nobody moved.', "Er sagte „warte“: Niemand rührte sich."),
    ],
)
def test_what_a_translator_may_do_with_them(answer: str, translated: str) -> None:
    assert "protected" not in failed(answer, translated)


@pytest.mark.parametrize(
    ("lang", "source", "target"),
    [
        ("zh", "It costs 1.2 billion dollars.", "它的价格是12亿美元。"),
        ("hi", "India has 1,500,000 cars.", "भारत में 15,00,000 कारें हैं।"),
        ("zh", "About 30,000 people came.", "约有3万人参加。"),
        ("ko", "About 35,000 people came.", "약 3만 5천 명이 왔다."),
        ("ja", "45,678 people", "4万5678人"),
        ("ja", "12,000 troops", "1万2000人の兵士"),
        ("ja", "120,000 troops", "十二万人の兵士"),
        ("zh", "300 million users", "三亿用户"),
        ("zh", "half a million people", "50万人"),
        ("zh", "5 to 10 thousand", "5000到1万"),
        ("zh", "The 1990s were long.", "20世纪90年代很长。"),
        ("hi", "1.5 million people", "15 लाख लोग"),
        ("hi", "20 million people", "2 करोड़ लोग"),
        ("ar", "In 2021, 45.5% of 1,234", "في عام ٢٠٢١، ٤٥٫٥٪ من ١٬٢٣٤"),
        ("de", "4 billion euros", "4 Milliarden Euro"),
        ("de", "3 trillion dollars", "3 Billionen Dollar"),
        ("es", "2.5 billion years", "2.500 millones de años"),
        ("fr", "1.3 trillion", "1300 milliards"),
        ("de", "7 m long", "7 m lang"),
    ],
)
def test_numerals_are_read_as_each_language_writes_them(
    lang: str, source: str, target: str
) -> None:
    assert odd_numbers(source, target, "en", lang) == []


@pytest.mark.parametrize(
    ("lang", "source", "target"),
    [
        ("zh", "1.2 billion", "13亿"),
        ("zh", "1.2 billion", "1.2亿"),
        ("zh", "30,000 people", "4万人"),
        ("zh", "300 people", "三千人"),
        ("hi", "1,500,000 cars", "16,00,000 कारें"),
        ("es", "1 billion people", "1 billón de personas"),
        ("de", "4 billion euros", "4 Billionen Euro"),
        ("de", "5 thousand men", "5 Millionen Mann"),
    ],
)
def test_another_number_or_scale_is_odd(lang: str, source: str, target: str) -> None:
    assert odd_numbers(source, target, "en", lang)


@pytest.mark.parametrize(
    ("numeral", "value"),
    [("12亿", 1.2e9), ("三百", 300), ("4万5678", 45678), ("1兆5000億", 1.5e12), ("万亿", 1e12)],
)
def test_east_asian_numerals(numeral: str, value: float) -> None:
    assert numeral_value(numeral) == value or numeral == "万亿"
