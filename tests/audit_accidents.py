"""What the audit finds of accidents, over seven pairs of languages, and what it flags of good rows.

    BABELMIX_REAL_DATA=… python -m tests.audit_accidents [--apertium 400]   (Markdown; two minutes)

Good texts are FLORES devtest's professional translations, five sentences in a row; real machine
translations are Bergamot's of the same sentences and, with Apertium installed, ours of Dolly.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from babelmix.records import Conversation, Message
from babelmix.translate.audit import audit_texts
from babelmix.translate.pair import Pair, learn_pair
from babelmix.translate.texts import Text, identify_texts

PAIRS = (
    ("en", "de"), ("en", "es"), ("en", "fr"), ("en", "it"), ("de", "fr"), ("fr", "es"), ("it", "de")
)  # fmt: skip
#: A row: (texts of the source, texts of the translation); a block: its sentences by language.
Row = tuple[list[str], list[str]]
Block = tuple[list[str], list[str]]

NOTES = {
    "de": "(Hinweis: Der Name wurde nicht übersetzt.)",
    "es": "Nota: he mantenido el nombre original.",
    "fr": "Remarque : le nom propre n'a pas été traduit.",
    "it": "(Nota: il nome proprio non è stato tradotto.)",
}
REMARKS = {
    "de": "(wörtlich übersetzt, da der Zusammenhang fehlt)",
    "es": "(traducción literal por falta de contexto)",
    "fr": "(traduction littérale faute de contexte)",
    "it": "(traduzione letterale per mancanza di contesto)",
}
KEYS = {"de": ("Name", "Alter"), "es": ("nombre", "edad"), "fr": ("nom", "âge")}
KEYS |= {"it": ("nome", "età")}
OPENERS = {"de": "Der", "es": "El", "fr": "Le", "it": "Il"}


def sentences(data: Path, lang: str, system: str = "") -> list[str]:
    """FLORES devtest in a language."""
    name = f"flores-test.{system}{lang}"
    return (data / "flores" / name).read_text(encoding="utf-8").splitlines()


def blocks(here: list[str], there: list[str], size: int = 5) -> list[Block]:
    """So many sentences in a row, of both languages."""
    ends = range(size, len(here) + 1, size)
    return [(here[end - size : end], there[end - size : end]) for end in ends]


Texts = tuple[list[Text], list[Text]]


def as_texts(rows: Sequence[Row]) -> list[Texts]:
    """Rows as the audit takes them: languages found all at once, each text looked at once."""
    known = {text: Text(text) for row in rows for side in row for text in side}
    identify_texts([known[text] for text in {t: None for _, target in rows for t in target}])
    return [([known[t] for t in a], [known[t] for t in b]) for a, b in rows]


def failed(texts: Texts, pair: Pair) -> set[str]:
    """Names of the checks that a row fails."""
    return {c.name for c in audit_texts(*texts, pair) if not c.ok}


def learnt(rows: list[Row], pivot: str, lang: str) -> Pair:
    """The pair as a pool of these rows shows it."""
    texts = [([Text(t) for t in a], [Text(t) for t in b]) for a, b in rows]
    return learn_pair(texts, pivot, lang)


# --- accidents: a block and its language -> a damaged row; None where it does not apply -----------


def lost_sentence(block: Block, lang: str, rnd: random.Random) -> Row:
    gone = rnd.randrange(len(block[1]))
    return [" ".join(block[0])], [" ".join(s for i, s in enumerate(block[1]) if i != gone)]


def third_cut(block: Block, lang: str, rnd: random.Random) -> Row:
    whole = " ".join(block[1])
    return [" ".join(block[0])], [whole[: len(whole) * 2 // 3]]


def third_of_one_cut(block: Block, lang: str, rnd: random.Random) -> Row:
    place = rnd.randrange(len(block[1]))
    text = block[1][place]
    return [block[0][place]], [text[: len(text) * 2 // 3]]


def note(block: Block, lang: str, rnd: random.Random) -> Row:
    between = rnd.choice([" ", "\n\n"])
    return [" ".join(block[0])], [" ".join(block[1]) + between + NOTES[lang]]


def remark(block: Block, lang: str, rnd: random.Random) -> Row:
    return [" ".join(block[0])], [" ".join(block[1]) + " " + REMARKS[lang]]


def wrapped(block: Block, lang: str, rnd: random.Random) -> Row | None:
    place = rnd.randrange(len(block[1]))
    if any(mark in block[1][place] for mark in '"“”„«»'):
        return None
    opening, closing = {"de": "„“", "es": "«»", "fr": "«»", "it": '""'}[lang]
    return [block[0][place]], [opening + block[1][place] + closing]


def moved(block: Block, lang: str, rnd: random.Random) -> Row:
    place = rnd.randrange(len(block[1]))
    words = block[0][place].split()
    middle = len(words) // 2
    source = " ".join([*words[:middle], "{max}", *words[middle:]])
    text = block[1][place]
    if rnd.random() < 0.5:
        return [source], [f"{text} {{max}}"]
    return [source], [f"{{max}} {OPENERS[lang]} {text[0].lower()}{text[1:]}"]


def json_keys(block: Block, lang: str, rnd: random.Random) -> Row:
    place = rnd.randrange(len(block[1]))
    first, second = KEYS[lang]
    source = f'{block[0][place]} {{"name": "Kim", "age": 30}}'
    return [source], [f'{block[1][place]} {{"{first}": "Kim", "{second}": 30}}']


def same_as_input(block: Block, lang: str, rnd: random.Random) -> Row | None:
    """Words of a sentence in the wrong order, to be put right; the translation already is."""
    place = rnd.randrange(len(block[1]))
    words = block[0][place].split()
    if len(words) < 6:
        return None
    swap = len(words) // 2
    wrong = [*words[:swap], words[swap + 1], words[swap], *words[swap + 2 :]]
    request, asked = "Correct this sentence: ", {"de": "Korrigiere diesen Satz: "}
    asked |= {"es": "Corrige esta frase: ", "fr": "Corrige cette phrase : "}
    asked |= {"it": "Correggi questa frase: "}
    good = block[1][place]
    return [request + " ".join(wrong), block[0][place]], [asked[lang] + good, good]


_MILLION = re.compile(r"(\d[\d.,]*\s)(Million(?:en)?|millones|millions|milioni)\b")
_BILLION = {"Million": "Milliarde", "Millionen": "Milliarden", "millones": "billones"}
_BILLION |= {"millions": "milliards", "milioni": "miliardi"}


def other_scale(block: Block, lang: str, rnd: random.Random) -> Row | None:
    for source, target in zip(*block, strict=True):
        if _MILLION.search(target) and "mil m" not in target:
            return [source], [_MILLION.sub(lambda m: m[1] + _BILLION[m[2]], target)]
    return None


ACCIDENTS: dict[str, tuple[Callable[[Block, str, random.Random], Row | None], set[str]]] = {
    "one of five sentences lost": (lost_sentence, {"sentences"}),
    "the last third of five sentences cut": (third_cut, {"sentences", "length_ratio"}),
    "the last third of one sentence cut": (third_of_one_cut, {"sentences", "length_ratio"}),
    "a note after the translation": (note, {"added"}),
    "a remark in brackets after it": (remark, {"added"}),
    "wrapped in quotation marks": (wrapped, {"added"}),
    "a placeholder moved out of its sentence": (moved, {"protected"}),
    "keys of JSON translated": (json_keys, {"protected"}),
    "the correction equals its input": (same_as_input, {"echo"}),
    "a million made a billion": (other_scale, {"numbers"}),
}
NEW = {"sentences", "added", "echo", "protected", "numbers"}


def recall(
    data: Path, seed: int = 0, pairs: Sequence[tuple[str, str]] = PAIRS
) -> Iterator[tuple[str, str, int, int, int]]:
    """(accident, pair, rows, found by its checks, found in a pool too small to learn from)."""
    for pivot, lang in pairs:
        rnd = random.Random(seed)
        made = blocks(sentences(data, pivot), sentences(data, lang))
        pair = learnt([([" ".join(a)], [" ".join(b)]) for a, b in made], pivot, lang)
        small = learn_pair([], pivot, lang)
        for name, (make, checks) in ACCIDENTS.items():
            rows = [row for block in made if (row := make(block, lang, rnd)) is not None]
            texts = as_texts(rows)
            found = sum(bool(failed(row, pair) & checks) for row in texts)
            found_small = sum(bool(failed(row, small) & checks) for row in texts)
            yield name, f"{pivot}-{lang}", len(rows), found, found_small


def good_rows(
    data: Path, pairs: Sequence[tuple[str, str]] = PAIRS
) -> Iterator[tuple[str, str, int, Counter[str]]]:
    """(set, pair, rows, rows by check failed; ``new`` counts rows that fail any of ``NEW``)."""
    for pivot, lang in pairs:
        here, there = sentences(data, pivot), sentences(data, lang)
        one: list[Row] = [([a], [b]) for a, b in zip(here, there, strict=True)]
        five: list[Row] = [([" ".join(a)], [" ".join(b)]) for a, b in blocks(here, there)]
        for name, rows in (("FLORES", one), ("FLORES, five sentences", five)):
            yield name, f"{pivot}-{lang}", len(rows), flags(rows, learnt(rows, pivot, lang))
        if pivot == "en":
            machine = sentences(data, lang, "bergamot-tiny.")
            rows = [([a], [b]) for a, b in zip(here, machine, strict=True)]
            yield "Bergamot", f"en-{lang}", len(rows), flags(rows, learnt(rows, "en", lang))


def flags(rows: list[Row], pair: Pair) -> Counter[str]:
    """Rows by failed check, with ``any`` and ``new``."""
    counted: Counter[str] = Counter()
    for texts in as_texts(rows):
        found = failed(texts, pair)
        counted.update(found)
        counted["any"] += bool(found)
        counted["new"] += bool(found & NEW)
    return counted


def apertium_rows(data: Path, lang: str, count: int) -> list[Row]:
    """Dolly's and LIMA's first turns through our engine and Apertium."""
    from babelmix.translate.shard import translate_shard
    from tests.bench.flores import spec

    rows = json.loads((data / "dolly" / "dolly_3k.alpagasus.json").read_text(encoding="utf-8"))
    pool = [
        Conversation(
            str(n), "en", "dolly", "dolly",
            [Message("user", r["instruction"]), Message("assistant", r["output"])],
        )
        for n, r in enumerate(rows[:count])
        if r["instruction"].strip() and r["output"].strip()
    ]  # fmt: skip
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        translated, _ = translate_shard(pool, spec(lang), Path(folder) / "journal.jsonl")
    return [
        ([m.content for m in a.messages], [m.content for m in b.messages])
        for a, b in zip(pool, translated, strict=True)
    ]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--apertium", type=int, default=0, help="rows of Dolly per language")
    parser.add_argument("--data", type=Path, default=os.environ.get("BABELMIX_REAL_DATA"))
    args = parser.parse_args()
    data = Path(args.data)
    table: dict[str, dict[str, tuple[int, int, int]]] = {}
    for name, pair, rows, found, small in recall(data):
        table.setdefault(name, {})[pair] = (rows, found, small)
    print("| accident | rows |", " | ".join(f"{a}-{b}" for a, b in PAIRS), "| all | small pool |")
    print("|---|---:|" + "---:|" * (len(PAIRS) + 2))
    for name, by_pair in table.items():
        cells = [f"{100 * f / n:.0f}" if n else "–" for n, f, _ in by_pair.values()]
        total, found, small = (sum(v[k] for v in by_pair.values()) for k in range(3))
        shares = f"{100 * found / total:.1f} | {100 * small / total:.1f}"
        print(f"| {name} | {total} |", " | ".join(cells), f"| {shares} |")
    print("\n| good rows | pair | rows | flagged | by the checks above | which |")
    print("|---|---|---:|---:|---:|---|")
    found_rows = list(good_rows(data))
    for lang in ("es", "fr", "it") if args.apertium else ():
        rows = apertium_rows(data, lang, args.apertium)
        flagged = flags(rows, learnt(rows, "en", lang))
        found_rows.append(("Apertium (Dolly)", f"en-{lang}", len(rows), flagged))
    for name, pair, count, counted in found_rows:
        which = ", ".join(f"{k} {n}" for k, n in sorted(counted.items()) if k not in {"any", "new"})
        print(f"| {name} | {pair} | {count} | {counted['any']} | {counted['new']} | {which} |")


if __name__ == "__main__":
    main()
