"""The verb ``answer-language``: any line gets one verdict, and no list limits what is seen."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from babelmix.analyse import ask_language
from babelmix.analyse.language import answer_language, line_language
from babelmix.errors import BabelmixError

FIVE = ["de", "en", "es", "fr", "it"]


def told(lines: bytes, asked: str = "de", languages: list[str] = FIVE) -> list[dict[str, Any]]:
    target = io.StringIO()
    ask_language.write(io.BytesIO(lines), target, asked, languages)
    return [json.loads(line) for line in target.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "asked", "language"),
    [
        ("Искусственный интеллект помогает людям работать лучше.", "de", "ru"),
        ("東京は日本の首都で、世界で最も人口の多い都市の一つです。", "de", "ja"),
        ("القاهرة هي عاصمة مصر وأكبر مدينة فيها من حيث عدد السكان.", "en", "ar"),
        ("Lisboa é a capital de Portugal e a sua maior cidade.", "es", "pt"),
        ("Ankara Türkiye'nin başkentidir ve ülkenin ikinci büyük şehridir.", "de", "tr"),
        ("北京是中国的首都，也是全国的政治和文化中心。", "en", "zh"),
        ("Varsovie est la capitale de la Pologne depuis des siècles.", "it", "fr"),
        ("Kyiv", "en", None),
    ],
)
def test_third_languages_are_wrong_and_named(text: str, asked: str, language: str | None) -> None:
    (row,) = told(text.encode(), asked)
    if language is None:
        assert row["verdict"] == "unsure"
        return
    assert (row["verdict"], row["language"]) == ("wrong", language)
    assert row["probability"] >= 0.7
    assert answer_language(text, asked, FIVE) == (0.0, f"other language: {language}")
    assert line_language(text, asked, FIVE)[0] == 0.0


def test_lines_of_all_kinds() -> None:
    german = "Die Bibliothek schließt heute leider etwas früher als sonst."
    lines = [
        german.encode(),
        b"",
        b"   ",
        json.dumps({"text": german, "id": 3}).encode(),
        json.dumps(german).encode(),
        b'{"text": 3}',
        b'{"id": 1}',
        b'{"text": "cut off',
        b"{Menge} von Dingen, die in dieser Klammer stehen, und noch mehr davon.",
        german.encode("latin-1"),
        b"\xef\xbb\xbf" + german.encode(),
        b"Ja.",
        b"42",
    ]
    rows = told(b"\r\n".join(lines))
    assert [row["verdict"] for row in rows] == [
        "right", "empty", "empty", "right", "right", "unsure", "unsure", "unsure", "right", "right",
        "right", "unsure", "unsure",
    ]  # fmt: skip
    errors = [number for number, row in enumerate(rows) if "error" in row]
    assert errors == [5, 6, 7, 9]
    assert "UTF-8" in rows[9]["error"]
    assert rows[11]["reason"] == "short"


def test_codes_are_the_studys_own_and_an_unknown_one_is_refused() -> None:
    text = "Jeg liker ikke å stå opp om morgenen, men i dag skal jeg prøve."
    assert told(text.encode(), "de", ["nb", "de"])[0]["language"] == "nb"
    assert told(text.encode(), "nb", ["nb"])[0]["verdict"] == "right"
    with pytest.raises(BabelmixError, match="tlh"):
        ask_language.check_asked("tlh")
    ask_language.check_asked("zh-Hant")


def test_a_stream_is_answered_as_it_comes() -> None:
    """Memory does not grow with the stream: a block is written before the next one is read."""
    seen: list[int] = []
    target = io.StringIO()

    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.lines: Iterator[int] = iter(range(5000))

        def readline(self, size: int | None = -1) -> bytes:
            number = next(self.lines, None)
            seen.append(target.getvalue().count("\n"))
            return b"" if number is None else b"Eine Zeile auf Deutsch, die lang genug ist.\n"

        def isatty(self) -> bool:
            return False

    ask_language.write(Endless(), target, "de", ["de"])  # type: ignore[arg-type]
    assert target.getvalue().count('"right"') == 5000
    assert seen[2500] >= 2000


def test_the_verb_on_the_command_line() -> None:
    command = [sys.executable, "-m", "babelmix", "answer-language", "--asked", "de"]
    text = "Искусственный интеллект помогает людям.\n"
    done = subprocess.run(
        [*command, "--languages", "de,en"], input=text, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["language"] == "ru"
