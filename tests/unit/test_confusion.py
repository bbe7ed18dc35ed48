"""Line and word pass against the Language Confusion Benchmark's own script, answer by answer.

The expected values come from one run of that script's algorithm (compute_metrics.py of
for-ai/language-confusion at 6cb0fe2: its normalisation, jieba and MeCab with unidic-lite for
Chinese and Japanese, fastText's lid.176 above 0.3) over these answers of ours, with lid.176.ftz for
lid.176.bin and the word list of resources/, as here.
"""

from collections import defaultdict

import pytest

from babelmix.analyse.confusion import english_words, line_pass, word_pass

DE = "Der Zug nach Hamburg fährt heute leider erst um halb neun ab."
EN = "The train to Hamburg leaves only at half past eight today."
RU = "Сегодня поезд в Москву отправится только в половине девятого вечера."
AR = "سيغادر القطار إلى القاهرة اليوم في الساعة الثامنة والنصف مساء."
HI = "आज दिल्ली जाने वाली ट्रेन साढ़े आठ बजे ही रवाना होगी।"
KO = "오늘 부산으로 가는 기차는 저녁 여덟 시 반에야 출발합니다."
JA = "今日の東京行きの電車は午後八時半にようやく出発します。"
ZH = "今天开往北京的火车要到晚上八点半才会出发。"
PT = "O comboio para Lisboa parte hoje só às oito e meia da noite."

#: Language asked, answer, published line pass and word pass (None: left out, or not defined).
ANSWERS = [
    ("de", DE, 1, None),
    ("de", EN, 0, None),
    ("de", f"{DE}\n{EN}", 0, None),
    ("de", f"{DE}\nSure!\n{DE}", 1, None),
    ("de", "", None, None),
    ("de", "Um neun Uhr.", None, None),
    ("de", f"{DE}\n\nQ: {EN}", 1, None),
    ("de", "1. 2. 3. 4. 5. 6.", 0, None),
    ("de", f"{DE} The meeting was postponed.", 1, None),
    ("pt", PT, 1, None),
    ("pt", "El tren a Madrid sale hoy solo a las ocho y media de la tarde.", 0, None),
    ("ru", RU, 1, 1),
    ("ru", RU.replace("поезд", "train"), 1, 0),
    ("ru", RU.replace("поезд", "Train"), 1, 1),
    ("ru", RU.replace("поезд", "API"), 1, 1),
    ("ru", f"{RU}\n{EN}", 0, None),
    ("ru", DE, 0, None),
    ("ru", "", None, None),
    ("ar", AR, 1, 1),
    ("ar", f"{AR} however", 1, 0),
    ("ar", EN, 0, None),
    ("hi", HI, 1, 1),
    ("hi", HI.replace("ट्रेन", "train"), 1, 0),
    ("hi", "Aaj Dilli jaane waali gaadi saadhe aath baje hi ravaana hogi.", 0, None),
    ("ko", KO, 1, 1),
    ("ko", KO.replace("기차", "train"), 1, 1),
    ("ko", JA, None, None),
    ("ja", JA, 1, 1),
    ("ja", JA.replace("電車", "train"), 1, 0),
    ("ja", ZH, 1, 1),
    ("ja", "はい。", None, None),
    ("ja", "東京です。", None, None),
    ("zh", ZH, 0, None),
    ("zh", ZH.replace("火车", "train"), 0, None),
    ("zh", JA, 0, None),
    ("zh", "好的。", None, None),
    ("zh", "我喜欢猫。", None, None),
    ("de", "```python\nfor value in values: print the value now\n```", 0, None),
    ("de", "Das ist ein **sehr** schöner Satz—und noch einer.", 1, None),
    ("ru", "Используйте функцию print(value) для вывода на экран", 1, 1),
]

#: Rates of the script over the same answers.
LPR = {
    "de": 0.555556,
    "pt": 0.5,
    "ru": 0.714286,
    "ar": 0.666667,
    "hi": 0.666667,
    "ko": 1.0,
    "ja": 1.0,
    "zh": 0.0,
}
WPR = {"ru": 0.8, "ar": 0.5, "hi": 0.5, "ko": 1.0, "ja": 0.666667}


@pytest.mark.parametrize(("lang", "text", "line", "word"), ANSWERS)
def test_each_answer_passes_where_the_script_passes_it(
    lang: str, text: str, line: int | None, word: int | None
) -> None:
    passed = line_pass(text, lang)
    assert passed[0] == line
    assert word_pass(text, lang, passed)[0] == word


def test_rates_by_language_are_the_scripts() -> None:
    """The script's own rates: fails by counted answers, and of those without line errors."""
    counts: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for lang, text, _, _ in ANSWERS:
        passed = line_pass(text, lang)
        if passed[0] is not None:
            counts[lang].append((passed[0], word_pass(text, lang, passed)[0]))
    lines = {lang: sum(v for v, _ in of) / len(of) for lang, of in counts.items()}
    words = {
        lang: sum(w for w in found) / len(found)
        for lang, of in counts.items()
        if (found := [w for _, w in of if w is not None])
    }
    assert lines == pytest.approx(LPR)
    assert words == pytest.approx(WPR)


def test_region_and_script_do_not_matter() -> None:
    assert line_pass(PT, "pt-BR")[0] == 1
    assert line_pass(RU, "ru-Cyrl")[0] == 1


def test_english_words_are_small_letters_of_four_or_more() -> None:
    assert {"however", "train", "because"} <= english_words()
    assert not {"the", "Train", "API", "Hamburg"} & english_words()
