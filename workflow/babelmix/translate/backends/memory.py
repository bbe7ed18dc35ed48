"""A translation memory: texts with the translations that people made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ...config.translators import MemoryTranslator
from ...errors import BabelmixError
from ...files.readers import read_rows
from ...io import read_table
from ...specs import TranslateSpec
from ..segment import Segment, segment
from .base import Failure, Local, Result, Unit

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_MISSING = Failure("not in the translation memory")

Pairs = Iterable[tuple[str, str]]


class MemoryBackend(Local):
    """Looks messages up whole, and where a memory holds segments (TMX), line by line."""

    unit: Unit = "text"

    def __init__(self, translator: MemoryTranslator, pivot: str, lang: str) -> None:
        self.settings: dict[str, Any] = {"backend": "memory"}
        self._pairs: dict[str, str] = {}
        for source, target in read_pairs(translator.path, pivot, lang):
            if source.strip() and target.strip():
                # Of several translations of one text the first counts.
                self._pairs.setdefault(source.strip(), target.strip())
        if not self._pairs:
            raise BabelmixError(
                f"{translator.path}: no text in both '{pivot}' and '{lang}'. A translation memory "
                'is JSONL of rows like {"turns": [{"role": "user", "en": "…", "de": "…"}]}, TMX, '
                "or parquet with a column a language or a `translation` column."
            )

    def translate(self, texts: list[str]) -> list[Result]:
        """The stored translations; a text that is not stored is a Failure."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Result:
        whole = self._look_up(text)
        if whole is not None:
            return whole
        parts = []
        for part in segment(text):
            found = self._look_up(part.source) if isinstance(part, Segment) else part
            if found is None:
                return _MISSING
            parts.append(found)
        return "".join(parts) if "".join(parts).strip() else _MISSING

    def _look_up(self, text: str) -> str | None:
        """A stored translation with the text's own white space around it."""
        core = text.strip()
        found = self._pairs.get(core)
        if found is None:
            return None
        start = text.index(core)
        return text[:start] + found + text[start + len(core) :]


def read_pairs(path: str, pivot: str, lang: str) -> Pairs:
    """Source text and translation, by the file's form: TMX, parquet, else the `parallel` shape."""
    if path.endswith(".tmx"):
        return _from_tmx(path, pivot, lang)
    if path.endswith(".parquet"):
        return _from_parquet(path, pivot, lang)
    return _from_parallel(read_rows(path), pivot, lang)


def _from_parallel(rows: list[Any], pivot: str, lang: str) -> Pairs:
    for row in rows:
        if not isinstance(row, dict):
            continue
        for turn in [*(row.get("turns") or []), *(row.get("reference") or [])]:
            if isinstance(turn, dict):
                yield from _texts(turn.get(pivot), turn.get(lang))


def _from_parquet(path: str, pivot: str, lang: str) -> Pairs:
    """A column a language, or a `translation` column that holds one text a language."""
    table = read_table(path)
    if "translation" in table.column_names:
        for row in table.column("translation").to_pylist():
            if isinstance(row, dict):
                yield from _texts(row.get(pivot), row.get(lang))
    elif {pivot, lang} <= set(table.column_names):
        columns = (table.column(code).to_pylist() for code in (pivot, lang))
        for source, target in zip(*columns, strict=True):
            yield from _texts(source, target)


def _texts(source: object, target: object) -> Iterator[tuple[str, str]]:
    if isinstance(source, str) and isinstance(target, str):
        yield source, target


def _from_tmx(path: str, pivot: str, lang: str) -> Pairs:
    """Translation units of a TMX file (gala-global.org/tmx-14b), read as a stream."""
    try:
        with Path(path).open("rb") as handle:
            for _, element in ElementTree.iterparse(handle):
                if _local(element.tag) == "tu":
                    variants = {code: text for code, text in map(_variant, element) if code}
                    source, target = _best(variants, pivot), _best(variants, lang)
                    if source is not None and target is not None:
                        yield source, target
                    element.clear()
    except OSError as error:
        raise BabelmixError(f"{path}: cannot be read ({error.strerror}).") from None
    except ElementTree.ParseError as error:
        raise BabelmixError(f"{path}: not valid XML ({error}).") from None


def _variant(element: ElementTree.Element) -> tuple[str, str]:
    """Language code (lower case) and text of a `tuv`; inline codes are left out, text kept."""
    code = element.get(_XML_LANG) or element.get("lang") or ""
    for child in element:
        if _local(child.tag) == "seg":
            return code.lower().replace("_", "-"), "".join(child.itertext())
    return "", ""


def _best(variants: dict[str, str], lang: str) -> str | None:
    """The variant of a language: exactly its code, or any region of it."""
    exact = variants.get(lang.lower())
    if exact is not None:
        return exact
    return next((t for c, t in variants.items() if c.partition("-")[0] == lang.lower()), None)


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def make(spec: TranslateSpec, folder: Path | None) -> MemoryBackend:
    """Return the backend of a shard."""
    assert isinstance(spec.translator, MemoryTranslator)
    return MemoryBackend(spec.translator, spec.pivot, spec.lang)
