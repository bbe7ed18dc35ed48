"""The language identifier that the translation audit, the judge, the scores and pools share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelmix.langid import (
    MIN_LETTERS,
    THRESHOLD,
    compare,
    count_letters,
    identifier_code,
    identify,
    identify_all,
    spelled,
    strip_non_prose,
    supported,
)
from babelmix.langid.scripts import script_of, written

FIVE = ["en", "de", "fr", "it", "es"]
SENTENCES = {
    "en": "The library closes early on the last Friday of every month.",
    "de": "Die Bibliothek schließt am letzten Freitag jedes Monats früher.",
    "fr": "La bibliothèque ferme plus tôt le dernier vendredi de chaque mois.",
    "it": "La biblioteca chiude prima l'ultimo venerdì di ogni mese.",
    "es": "La biblioteca cierra temprano el último viernes de cada mes.",
    "pt": "A biblioteca fecha mais cedo na última sexta-feira de cada mês.",
    "nl": "De bibliotheek sluit vroeger op de laatste vrijdag van elke maand.",
    "tr": "Kütüphane her ayın son cuma günü erken kapanıyor.",
    "pl": "Biblioteka zamyka się wcześniej w ostatni piątek każdego miesiąca.",
    "ru": "Библиотека закрывается раньше в последнюю пятницу каждого месяца.",
    "uk": "Бібліотека зачиняється раніше в останню п'ятницю кожного місяця.",
    "el": "Η βιβλιοθήκη κλείνει νωρίς την τελευταία Παρασκευή κάθε μήνα.",
    "ar": "تغلق المكتبة مبكرا في آخر يوم جمعة من كل شهر.",
    "fa": "کتابخانه در آخرین جمعه هر ماه زودتر بسته می‌شود.",
    "he": "הספרייה נסגרת מוקדם ביום שישי האחרון של כל חודש.",
    "hi": "पुस्तकालय हर महीने के आखिरी शुक्रवार को जल्दी बंद हो जाता है।",
    "th": "ห้องสมุดปิดเร็วในวันศุกร์สุดท้ายของทุกเดือน",
    "ja": "図書館は毎月最後の金曜日に早く閉まります。",
    "ko": "도서관은 매달 마지막 금요일에 일찍 문을 닫습니다.",
    "zh": "图书馆在每个月的最后一个星期五提前关门。",
    "vi": "Thư viện đóng cửa sớm vào thứ Sáu cuối cùng của mỗi tháng.",
    "sw": "Maktaba hufungwa mapema Ijumaa ya mwisho ya kila mwezi.",
    "cs": "Knihovna se každý poslední pátek v měsíci zavírá dříve.",
    "hu": "A könyvtár minden hónap utolsó péntekén korábban bezár.",
}


@pytest.mark.parametrize("lang", SENTENCES)
def test_a_sentence_is_recognised_among_all_languages(lang: str) -> None:
    found = identify(SENTENCES[lang])
    assert found.language == lang
    assert THRESHOLD <= found.probability <= 1.0
    assert compare(found, lang) == "right"
    assert {compare(found, other) for other in SENTENCES if other != lang} == {"wrong"}


def test_a_russian_sentence_is_no_german() -> None:
    found = identify("Искусственный интеллект помогает людям работать лучше.")
    assert found.language == "ru"
    assert compare(found, "de") == "wrong"


@pytest.mark.parametrize("text", ["Ja, gern!", "", "12345 67890 12345 67890", "OK", "A, B, C, D"])
def test_short_text_is_not_judged(text: str) -> None:
    found = identify(text)
    assert found.short
    assert found.name is None
    assert {compare(found, lang) for lang in FIVE} == {"unsure"}


@pytest.mark.parametrize(
    "text",
    [
        "Paris, London, Tokyo, Sydney",
        "Mona Lisa (Leonardo da Vinci)",
        "Real Madrid, FC Barcelona, Atlético Madrid",
        "Python, Java, JavaScript, Ruby, Kotlin",
        "Homo sapiens sapiens",
        "xqzt wvrk plmf ghjd bnxs",
        "ᚠᚢᚦᚨᚱᚲᚷᚹᚺᚾᛁᛃ ᚠᚢᚦᚨᚱᚲᚷᚹᚺᚾᛁᛃ",
    ],
)
def test_names_and_noise_are_in_no_language(text: str) -> None:
    assert {compare(identify(text), lang) for lang in FIVE} == {"unsure"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("สวัสดี", "th"),
        ("はい、そうです", "ja"),
        ("안녕하세요", "ko"),
        ("გამარჯობა", "ka"),
        ("Καλημέρα", "el"),
        ("Париж", "und-Cyrl"),
        ("東京", "und-Hani"),
    ],
)
def test_a_script_decides_short_texts_too(text: str, name: str) -> None:
    found = identify(text)
    assert found.name == name
    assert compare(found, "de") == "wrong"


def test_english_terms_do_not_hide_the_language_around_them() -> None:
    text = "機械学習では、TensorFlow や PyTorch などの framework をよく使います。"
    assert identify(text).language == "ja"
    cyrillic = "Для этого используйте функцию print в языке Python и откройте терминал."
    assert identify(cyrillic).language == "ru"


def test_texts_half_in_another_script_are_unsure() -> None:
    found = identify("Dies ist ein deutscher Satz. А это русское предложение.")
    assert found.name is None
    assert compare(found, "de") == compare(found, "ru") == "unsure"


@pytest.mark.parametrize(
    ("code", "known_as"),
    [
        ("nb", "no"), ("nob", "no"), ("nn", "nn"), ("nno", "nn"), ("zh-Hant", "zh"), ("cmn", "zh"),
        ("sr-Latn", "sr"), ("pt-BR", "pt"), ("deu", "de"), ("ger", "de"), ("iw", "he"),
        ("arb", "ar"),
        ("fil", "tl"), ("zsm", "ms"), ("pes", "fa"), ("ekk", "et"), ("srp", "sr"), ("por", "pt"),
    ],
)  # fmt: skip
def test_codes_of_all_kinds_are_known(code: str, known_as: str) -> None:
    assert identifier_code(code) == known_as
    assert supported([code]) == [code]


def test_an_unknown_language_is_unsure_and_said() -> None:
    assert supported(["tlh", "en", "pt-BR"]) == ["en", "pt-BR"]
    assert compare(identify(SENTENCES["de"]), "tlh") == "unsure"


def test_a_script_in_a_code_must_be_met() -> None:
    cyrillic = identify("Ово је реченица на српском језику, сасвим обична.")
    assert compare(cyrillic, "sr") == compare(cyrillic, "sr-Cyrl") == "right"
    assert compare(cyrillic, "sr-Latn") == compare(cyrillic, "hr") == "wrong"
    latin = identify("Ovo je rečenica na srpskom jeziku, sasvim obična.")
    assert compare(latin, "sr-Latn") == compare(latin, "hr") == compare(latin, "bs") == "right"
    assert compare(latin, "sr-Cyrl") == "wrong"


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("Jeg vil gerne have en kop kaffe og noget at spise, hvad koster det?", "da", "sv"),
        ("Eg veit ikkje kva dei heiter, men dei kjem frå Noreg og snakkar nynorsk.", "nn", "de"),
        ("Rád by som si objednal kávu a niečo pod zub, ďakujem pekne.", "sk", "cs"),
        ("Gústame moito pasear pola praia cando non hai ninguén.", "gl", "it"),
        ("Eu gostaria de pedir um café e qualquer coisa para comer.", "pt-BR", "es"),
        ("Saya ingin memesan secangkir kopi dan sesuatu untuk dimakan.", "id", "tl"),
    ],
)
def test_close_relatives(text: str, right: str, wrong: str) -> None:
    found = identify(text)
    assert compare(found, right) == "right"
    assert compare(found, wrong) == "wrong"


def test_one_of_several_relatives_is_named_as_such() -> None:
    found = identify("Det er en god bog om en by i landet.")
    if len(found.languages) > 1:
        assert set(found.languages) <= {"da", "no", "nn"}
        assert compare(found, found.languages[0]) == "unsure"
        assert found.name == "/".join(found.languages)
    assert compare(found, "de") == "wrong"


def test_codes_are_spelled_as_the_study_spells_them() -> None:
    found = identify("Jeg liker ikke å stå opp om morgenen, men i dag skal jeg prøve.")
    assert spelled(found, ["en", "nb"]) == "nb"
    assert spelled(found, ["en", "de"]) == "no"
    assert spelled(identify("Париж"), ["ru"]) == "und-Cyrl"


def test_scripts() -> None:
    assert [script_of(sign) for sign in "aßжあ漢한ไ1!"] == [
        "Latn", "Latn", "Cyrl", "Kana", "Hani", "Hang", "Thai", None, None
    ]  # fmt: skip
    seen = written("Я люблю Python.")
    assert (seen.script, seen.letters) == ("Cyrl", 6)
    assert written("").letters == 0
    assert written("123").letters == 0


def test_dense_scripts_count_more() -> None:
    assert count_letters("日本語の文です") >= MIN_LETTERS


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
    found = identify(once)
    assert 0 <= found.probability <= 1.0001
    assert compare(found, "de") in ("right", "wrong", "unsure")


def test_many_texts_get_the_answers_that_each_gets_alone() -> None:
    texts = [
        *SENTENCES.values(),
        *(f"{a} {b}" for a in SENTENCES.values() for b in SENTENCES.values()),
        SENTENCES["de"].upper(),
        "Ово је реченица на српском језику.",
        "?!" * 40,
        "short",
        "",
        "Je vois\ud800 une bibliothèque dans la rue.",
        "Ein Satz mit \0 darin und\nnoch einer Zeile, damit es reicht.",
        "lang " * 5000,
    ]
    for one, many in zip(map(identify, texts), identify_all(texts), strict=True):
        assert many.languages == one.languages
        assert many.probability == pytest.approx(one.probability, abs=1e-4)
    assert identify_all([]) == []
