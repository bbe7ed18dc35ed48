"""What good translators do is let through; the accidents beside it are found."""

import pytest

from babelmix.records import Message
from babelmix.translate.audit import audit

LIBRARY = (
    "The library opens at nine in the morning. Visitors must leave their bags at the entrance. "
    "Children under twelve may only enter with an adult. Food and drinks are not allowed inside "
    "the reading rooms."
)
CLOSE = "Close the window before you leave."
SPRING = "The weather in spring is mild and the flowers bloom everywhere."


def failed(source: str, target: str, lang: str) -> set[str]:
    made = audit([Message("user", source)], [Message("user", target)], "en", lang)
    return {check.name for check in made if not check.ok}


@pytest.mark.parametrize(
    ("lang", "source", "target"),
    [
        # A danda ends a sentence: four for four.
        (
            "hi",
            LIBRARY,
            "पुस्तकालय सुबह 9 बजे खुलता है। आगंतुकों को अपने बैग प्रवेश द्वार पर छोड़ने होंगे। "
            "12 वर्ष से कम आयु के बच्चे केवल किसी वयस्क के साथ ही प्रवेश कर सकते हैं। "
            "वाचनालयों में खाने-पीने की अनुमति नहीं है।",
        ),
        ("ja", "The Old Man and the Sea", "『老人と海』"),
        ("ru", "The Master and Margarita", "«Мастер и Маргарита»"),
        ("ru", "Explain what GDP means.", "Объясните, что такое ВВП (валовой внутренний продукт)."),
        ("ja", "It was built in 1998.", "平成10年に建てられました。"),
        ("ja", "It was built in 1998.", "平成10年（1998年）に建てられました。"),
        ("ja", "It opened in 2019.", "令和元年に開業しました。"),
        (
            "ru",
            "In the 1990s every second family owned a car.",
            "В девяностые годы каждая вторая семья имела автомобиль.",
        ),
        ("es", "She is 5 feet 7 inches tall.", "Mide 1,70 metros."),
        ("de", "She is 5'7\" tall and likes sports.", "Sie ist 170 cm groß und mag Sport."),
        ("de", "She is 5 feet 7 inches tall.", "Sie ist 5 Fuß 7 Zoll groß."),
        ("ja", "Set maxRetries to a higher value in the file.", "maxRetriesの値を増やします。"),
        ("zh", "Print the value of user_name at the end.", "最后打印user_name的值。"),
        ("de", "Buy an iPhone --if you can -- today.", "Kaufe heute ein iPhone, wenn du kannst."),
        (
            "ja",
            "Hello {name}, your order is ready. You can collect it at {place}.",
            "{name}さん、ご注文の準備ができました。{place}でお受け取りいただけます。",
        ),
        ("ru", "The interpreter said: it is late.", "Переводчик сказал: уже поздно."),
        ("ja", "Who sang Bohemian Rhapsody?", "「Bohemian Rhapsody」を歌ったのは誰ですか？"),
    ],
)  # fmt: skip
def test_good_translations_pass(lang: str, source: str, target: str) -> None:
    assert failed(source, target, lang) == set()


@pytest.mark.parametrize(
    ("lang", "source", "target", "check"),
    [
        ("ja", CLOSE, "出かける前に窓を閉めてください。\n※丁寧な表現を使用しています。", "added"),
        ("ja", CLOSE, "翻訳：出かける前に窓を閉めてください。", "answered"),
        ("hi", CLOSE, "यहाँ अनुवाद है: जाने से पहले खिड़की बंद कर दें।", "answered"),
        ("ru", CLOSE, "Вот перевод: закройте окно перед уходом.", "answered"),
        ("zh", CLOSE, "以下是翻译：离开前请关好窗户。", "answered"),
        ("ar", CLOSE, "إليك الترجمة: أغلق النافذة قبل أن تغادر.", "answered"),
        ("ja", CLOSE, "「出かける前に窓を閉めてください。」", "added"),
        (
            "de",
            "Hello {name}, your order is ready. You can collect it at {place}.",
            "Hallo {place}, Ihre Bestellung ist fertig. Sie können sie bei {name} abholen.",
            "protected",
        ),
        (
            "fr",
            "The value must be below {max}. Try again.",
            "La valeur doit être inférieure. Réessayez {max}.",
            "protected",
        ),
        (
            "ru",
            "Use the --verbose flag to see more output.",
            "Используйте флаг --подробно, чтобы увидеть больше вывода.",
            "protected",
        ),
        (
            "ja",
            "Set maxRetries to a higher value in the file.",
            "ファイルの最大再試行をより高い値に設定してください。",
            "protected",
        ),
        ("hi", SPRING, "Vasant mein mausam suhavna hota hai aur phool khilte hain.", "language"),
        ("ru", SPRING, "Vesnoy pogoda myagkaya, i tsvety tsvetut povsyudu.", "language"),
        ("ja", "It was built in 1998.", "平成12年に建てられました。", "numbers"),
        ("es", "She is 5 feet 7 inches tall.", "Mide 1,90 metros.", "numbers"),
        ("ru", "In the 1990s many left.", "В восьмидесятые годы многие уехали.", "numbers"),
    ],
)  # fmt: skip
def test_accidents_are_found(lang: str, source: str, target: str, check: str) -> None:
    assert check in failed(source, target, lang)
