"""Figures of the translation audit on real data: what it flags of good rows, finds of bad ones.

    BABELMIX_REAL_DATA=… python -m tests.audit_figures        (Markdown tables; about 20 s)

Good rows are FLORES' professional translations and MT-Bench-X's corrected questions. Bad ones are
copies of them, and of rows of Alpaca, Dolly and LIMA with code, damaged in one way each.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelmix.records import Conversation, Message
from babelmix.translate.audit import audit_texts, task_flag
from babelmix.translate.pair import Pair, learn_pair
from babelmix.translate.review import ranked
from babelmix.translate.texts import Text
from tests.audit_accidents import as_texts, failed

LANGUAGES = ("de", "es", "fr", "it")
Row = tuple[list[str], list[str]]


@dataclass
class Kind:
    """One way to damage rows: the checks that should see it, and what became of each row."""

    name: str
    checks: tuple[str, ...]
    rows: int = 0
    by_own: int = 0
    by_any: int = 0
    #: Damage that no check saw: (language, source, damaged translation).
    missed: list[tuple[str, str, str]] | None = None

    def add(self, lang: str, row: Row, failed: set[str]) -> None:
        """Count one damaged row by the checks that it fails."""
        self.rows += 1
        self.by_own += bool(failed & set(self.checks))
        self.by_any += bool(failed)
        if not failed:
            self.missed = [*(self.missed or []), (lang, row[0][0], row[1][0])]


def add_all(damaged: list[tuple[Kind, str, Row]], pair: Pair, only: set[str] | None = None) -> None:
    """Audit damaged rows (kind, language, row); count what they fail, ``only`` of some checks."""
    texts = as_texts([row for _, _, row in damaged])
    for (kind, lang, row), one in zip(damaged, texts, strict=True):
        found = failed(one, pair)
        kind.add(lang, row, found if only is None else found & only)


def learnt(rows: list[Row], lang: str) -> Pair:
    """The pair as a pool of these rows shows it."""
    texts = [([Text(t) for t in a], [Text(t) for t in b]) for a, b in rows]
    return learn_pair(texts, "en", lang)


# --- real rows ------------------------------------------------------------------------------------


def flores(data: Path, lang: str, system: str = "") -> list[Row]:
    """FLORES devtest: one English sentence and its translation a row."""
    here = (data / "flores" / "flores-test.en").read_text(encoding="utf-8").splitlines()
    there = (data / "flores" / f"flores-test.{system}{lang}").read_text(encoding="utf-8")
    return [([a], [b]) for a, b in zip(here, there.splitlines(), strict=True)]


def jsonl(path: Path) -> list[Any]:
    """Rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def mt_bench_x(data: Path, lang: str, which: str = "question") -> dict[str, Row]:
    """MT-Bench-X by question number: both turns in English and in a language."""
    folder = data / "mt_bench_x"
    english = jsonl(folder / "mt_bench_EN" / "question.jsonl")
    there = jsonl(folder / f"mt_bench_{lang.upper()}" / f"{which}.jsonl")
    by_number = {str(q["question_id"]).split("_")[0]: q["turns"] for q in there}
    return {
        (number := str(q["question_id"]).split("_")[0]): (q["turns"], by_number[number])
        for q in english
    }


def mt_bench_x_answers(data: Path, lang: str) -> dict[str, list[str]]:
    """GPT-4's answers in a language, by question number: two turns each."""
    path = data / "mt_bench_x" / f"mt_bench_{lang.upper()}" / "reference_answer" / "gpt-4.jsonl"
    return {str(r["question_id"]).split("_")[0]: r["choices"][0]["turns"] for r in jsonl(path)}


def seed_tasks(data: Path) -> list[tuple[str, str, str]]:
    """Alpaca's seed tasks: English instruction, French instruction, French answer."""
    english = {r["id"]: r for r in jsonl(data / "alpaca" / "seed_tasks.jsonl")}
    found = []
    for row in jsonl(data / "alpaca" / "seed_tasks_fr.vigogne.jsonl"):
        one = english.get(row["id"])
        if one is not None:
            answer = row["instances"][0]["output"]
            found.append((one["instruction"], row["instruction"], answer))
    return found


def rows_with_code(data: Path) -> Iterator[str]:
    """Texts with code, fenced or not, from Alpaca, Dolly and LIMA."""
    from babelmix.translate.code import code_names

    files = (
        "alpaca/alpaca_5k.alpagasus_claude_t45.json",
        "dolly/dolly_3k.alpagasus.json",
        "lima/train.llamafactory.json",
    )
    for file in files:
        for row in json.loads((data / file).read_text(encoding="utf-8")):
            for text in (row["instruction"], row.get("input") or "", row["output"]):
                if "```" in text or len(code_names(text)) >= 3:
                    yield text


# --- damage ---------------------------------------------------------------------------------------


def other_number(text: str, rnd: random.Random) -> str | None:
    """One digit of one number is another one."""
    found = list(re.finditer(r"\d+", text))
    if not found:
        return None
    match = rnd.choice(found)
    place = rnd.randrange(match.start(), match.end())
    digit = rnd.choice([d for d in "123456789" if d != text[place]])
    return text[:place] + digit + text[place + 1 :]


def half(text: str, rnd: random.Random) -> str:
    """The first half, as a length limit leaves it."""
    return text[: len(text) // 2]


def loop(text: str, rnd: random.Random) -> str:
    """The last words again and again, as a model does until its limit."""
    words = text.split()
    return text + (" " + " ".join(words[-rnd.randint(2, 8) :])) * 8


def twice(text: str, rnd: random.Random) -> str:
    """The whole translation a second time."""
    return f"{text} {text}"


_REMARKS = {
    "de": (
        "Hier ist die Übersetzung:\n\n{}",
        "Natürlich! {}",
        "Es tut mir leid, aber dazu kann ich nichts sagen.",
        "Als KI-Sprachmodell habe ich keine Meinung zu diesem Thema.",
    ),
    "es": (
        "Aquí está la traducción:\n\n{}",
        "¡Claro! {}",
        "Lo siento, pero no puedo ayudar con eso.",
        "Como modelo de lenguaje, no tengo opinión sobre este tema.",
    ),
    "fr": (
        "Voici la traduction :\n\n{}",
        "Bien sûr ! {}",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "En tant qu'IA, je n'ai pas d'avis sur ce sujet.",
    ),
    "it": (
        "Ecco la traduzione:\n\n{}",
        "Certo! {}",
        "Mi dispiace, ma non posso aiutarti.",
        "Come modello linguistico non ho opinioni su questo argomento.",
    ),
}


def remark(text: str, lang: str, rnd: random.Random) -> str:
    """A chat model's opening before the translation, or its refusal in place of it."""
    return rnd.choice(_REMARKS[lang]).replace("{}", text)


_TRANSLATED_CODE = {
    "for": "para", "if": "si", "else": "sino", "return": "devolver", "print": "imprimir",
    "def": "definir", "int": "entero", "while": "mientras", "class": "clase", "import": "importar",
    "from": "desde", "function": "función", "string": "cadena", "list": "lista",
    "public": "público", "SELECT": "SELECCIONAR", "FROM": "DESDE", "WHERE": "DONDE",
    "number": "número",
    "in": "en", "var": "variable", "true": "verdadero", "max": "máximo", "sum": "suma",
    "name": "nombre",
    "head": "cabeza", "body": "cuerpo", "title": "título", "new": "nuevo", "value": "valor",
}  # fmt: skip


def translated_code(text: str, rnd: random.Random) -> str | None:
    """One keyword or name of the code, translated as a careless backend does."""
    from babelmix.translate.blocks import split_blocks
    from babelmix.translate.code import code_names

    blocks = [part for part, is_block in split_blocks(text) if is_block]
    names = [n for b in blocks for n in re.findall(r"\b[A-Za-z]{2,}\b", b)]
    names = [n for n in names or code_names(text) if n in _TRANSLATED_CODE]
    if not names:
        return None
    name = rnd.choice(names)
    target = next((b for b in blocks if re.search(rf"\b{name}\b", b)), None)
    if target is not None:
        return text.replace(target, re.sub(rf"\b{name}\b", _TRANSLATED_CODE[name], target))
    return re.sub(rf"\b{name}\b", _TRANSLATED_CODE[name], text)


# --- the figures ----------------------------------------------------------------------------------


def good_rows(data: Path) -> dict[str, Counter[str]]:
    """Checks failed by FLORES' references, by language; ``rows`` and ``any`` are counts of rows.

    Twelve German references end in a stray letter (``Uhren.x``): they are faulty, and left out.
    """
    found = {}
    for lang in LANGUAGES:
        rows = flores(data, lang)
        good = [row for row in rows if not row[1][0].endswith(".x")]
        found[lang] = flags(good, learnt(rows, lang))
    return found


def flags(rows: list[Row], pair: Pair) -> Counter[str]:
    """Failed checks of rows, with ``rows`` and ``any``."""
    counted: Counter[str] = Counter(rows=len(rows))
    for texts in as_texts(rows):
        found = failed(texts, pair)
        counted.update(found)
        counted["any"] += bool(found)
    return counted


def damaged_rows(data: Path, seed: int = 0) -> list[Kind]:
    """Every kind of damage, counted over all languages."""
    rnd = random.Random(seed)
    kinds = [
        Kind("a number changed", ("numbers",)),
        Kind("wrong language", ("language",)),
        Kind("left in English", ("untranslated", "language")),
        Kind("one sentence in three left in English", ("untranslated",)),
        Kind("truncated to half", ("length_ratio",)),
        Kind("the last words over and over", ("repetition",)),
        Kind("said twice", ("repetition",)),
        Kind("a chat model's remark or refusal", ("answered",)),
    ]
    by_name = {kind.name: kind for kind in kinds}
    simple: dict[str, Callable[[str, random.Random], str | None]] = {
        "a number changed": other_number,
        "truncated to half": half,
        "the last words over and over": loop,
        "said twice": twice,
    }
    for lang in LANGUAGES:
        rows = flores(data, lang)
        pair = learnt(rows, lang)
        others = {other: flores(data, other) for other in LANGUAGES if other != lang}
        made: list[tuple[Kind, str, Row]] = []
        for index, (source, target) in enumerate(rows):
            damaged = {name: make(target[0], rnd) for name, make in simple.items()}
            damaged["wrong language"] = rnd.choice(list(others.values()))[index][1][0]
            damaged["left in English"] = source[0]
            damaged["a chat model's remark or refusal"] = remark(target[0], lang, rnd)
            for name, text in damaged.items():
                if text is not None and text != target[0]:
                    made.append((by_name[name], lang, (source, [text])))
        for first in range(0, len(rows) - 2, 3):
            three = rows[first : first + 3]
            kept = rnd.randrange(3)
            source = [" ".join(r[0][0] for r in three)]
            target = [" ".join((r[0] if i == kept else r[1])[0] for i, r in enumerate(three))]
            kind = by_name["one sentence in three left in English"]
            made.append((kind, lang, (source, target)))
        add_all(made, pair)
    return [*kinds, _code(data, rnd), *_answers(data)]


def _code(data: Path, rnd: random.Random) -> Kind:
    kind = Kind("code translated", ("protected",))
    made: list[tuple[Kind, str, Row]] = []
    for text in rows_with_code(data):
        damaged = translated_code(text, rnd)
        if damaged is not None:
            made.append((kind, "es", ([text], [damaged])))
    # The rest of the text is not translated here: only the one check counts.
    add_all(made, learnt([], "es"), {"protected"})
    return kind


#: An answer shows in any of these.
_ANSWER_CHECKS = ("answered", "length_ratio", "numbers", "protected")


def _answers(data: Path) -> list[Kind]:
    """Real answers in the place of translated questions."""
    gpt4 = Kind(
        "answered (GPT-4's answers to MT-Bench-X)",
        ("answered", "length_ratio", "numbers", "protected"),
    )
    for lang in LANGUAGES:
        questions = mt_bench_x(data, lang)
        made: list[tuple[Kind, str, Row]] = [
            (gpt4, lang, ([turn], [answer]))
            for number, answers in mt_bench_x_answers(data, lang).items()
            for turn, answer in zip(questions[number][0], answers, strict=True)
        ]
        add_all(made, learnt(list(questions.values()), lang))
    human = Kind(
        "answered (people's answers to Alpaca's seed tasks, fr)",
        ("answered", "length_ratio", "numbers", "protected"),
    )
    seeds = seed_tasks(data)
    made = [(human, "fr", ([english], [answer])) for english, _, answer in seeds]
    add_all(made, learnt([([a], [b]) for a, b, _ in seeds], "fr"))
    return [gpt4, human]


# --- which questions people corrected -------------------------------------------------------------


def ranking(data: Path, lang: str) -> dict[str, Any]:
    """MT-Bench-X's questions before correction, ranked by need, against what people corrected."""
    before, after = mt_bench_x(data, lang, "question_original"), mt_bench_x(data, lang)
    pair = learnt(list(before.values()), lang)
    english, translated = [], []
    for number, (source, target) in before.items():
        texts = [Text(t) for t in source], [Text(t) for t in target]
        messages = [Message("user", t) for t in source]
        checks = [*audit_texts(*texts, pair), task_flag(messages, "en")]
        english.append(Conversation(number, "en", "b", "s", messages))
        there = [Message("user", t) for t in target]
        translated.append(Conversation(number, lang, "b", "s", there, checks=checks))
    order = [needy.row.id for needy in ranked(english, translated)]
    folder = data / "mt_bench_x" / f"mt_bench_{lang.upper()}"
    listed = {str(r["question_id"]).split("_")[0] for r in jsonl(folder / "corrections.jsonl")}
    changed = {number for number in before if before[number][1] != after[number][1]}
    third = set(order[: round(len(order) / 3)])
    flagged = {r.id for r in translated if any(not c.ok for c in r.checks)}
    return {
        "questions": len(order),
        "listed": len(listed),
        "changed": len(changed),
        "third": len(third),
        "listed_in_third": len(listed & third),
        "changed_in_third": len(changed & third),
        "flagged": len(flagged),
        "flagged_and_listed": len(flagged & listed),
    }


def question_139(data: Path) -> dict[str, set[str]]:
    """Failed checks of 139_IT before and after its correction, whose turn 2 is English."""
    found = {}
    for which in ("question_original", "question"):
        rows = mt_bench_x(data, "it", which)
        (texts,) = as_texts([rows["139"]])
        found[which] = failed(texts, learnt(list(rows.values()), "it"))
    return found


def main() -> None:
    """Print the tables."""
    data = Path(os.environ["BABELMIX_REAL_DATA"])
    print("good rows\n")
    for lang, counted in good_rows(data).items():
        share = 100 * counted["any"] / counted["rows"]
        print(
            f"FLORES {lang}: {counted['any']} of {counted['rows']} ({share:.2f} %)", dict(counted)
        )
    for lang in LANGUAGES:
        rows = list(mt_bench_x(data, lang).values())
        print(f"MT-Bench-X {lang}", dict(flags(rows, learnt(rows, lang))))
    print("\ndamaged\n")
    for kind in damaged_rows(data):
        own, every = 100 * kind.by_own / kind.rows, 100 * kind.by_any / kind.rows
        print(f"| {kind.name} | {kind.rows} | {', '.join(kind.checks)} | {own:.1f} | {every:.1f} |")
        if os.environ.get("SHOW_MISSED"):
            for missed in (kind.missed or [])[:8]:
                print("      ", missed)
    print("\nMT-Bench-X: what people corrected, ranked\n")
    for lang in LANGUAGES:
        print(lang, ranking(data, lang))
    print("139_IT:", question_139(data))


if __name__ == "__main__":
    main()
