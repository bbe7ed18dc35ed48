"""Apertium, a rule-based engine on this machine; one process for each mode and batch."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from ...config.translators import ApertiumTranslator
from ...errors import BabelmixError
from ...specs import TranslateSpec
from .base import Failure, Limits, Local, Result

#: Debian packages of modes whose name is not `apertium-<mode>`.
_PACKAGES = {
    "es-fr": "apertium-fr-es",
    "fr-es": "apertium-fr-es",
    "spa-eng": "apertium-eng-spa",
    "ita-spa": "apertium-spa-ita",
}
#: Seconds of patience: a start takes about 0.3 s, and then some 10,000 characters a second pass.
_PATIENCE_S = 120.0
_CHARS_PER_S = 500.0


class ApertiumBackend(Local):
    """Sends segments as paragraphs of one stream: a paragraph's end is also a sentence's end.

    Other ways were tried: `-f line` and `-z` (null flush) both let words cross from one line into
    the next, or drop final stops or the separators. What is left is state that its transfer keeps
    to the end of a process, whatever stands between texts (with `-z`, too): of 240 real segments,
    6 to 9 had another word form when the batch was cut otherwise. Hence ``batch_dependent``.
    """

    limits = Limits(batch_texts=1000)
    journalled = True
    batch_dependent = True

    def __init__(self, translator: ApertiumTranslator, name: str, lang: str) -> None:
        modes = translator.modes.get(lang)
        if not modes:
            known = ", ".join(sorted(translator.modes)) or "none"
            raise BabelmixError(
                f"translators.{name}.modes: no chain for '{lang}' (there are: {known}). Add e.g. "
                f"`{lang}: [eng-spa, …]`; `apertium -l` lists this machine's modes."
            )
        check_modes(modes, name)
        self._modes = modes
        self.settings: dict[str, Any] = {"backend": "apertium", "modes": modes}

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate single-line texts; one that Apertium chokes on is a Failure."""
        results: list[Result] = [re.sub(r"\s+", " ", t.replace("\0", " ")).strip() for t in texts]
        for mode in self._modes:
            places = [n for n, r in enumerate(results) if isinstance(r, str) and r]
            step = self._step(mode, [str(results[n]) for n in places])
            for place, result in zip(places, step, strict=True):
                results[place] = result
        return [_tidied(r, text) for r, text in zip(results, texts, strict=True)]

    def _step(self, mode: str, texts: list[str]) -> list[Result]:
        """One mode over all texts; halves the batch where paragraphs and texts do not match."""
        if not texts:
            return []
        output, problem = _run(mode, "\n\n".join(texts) + "\n\n")
        paragraphs = re.split(r"\n[ \t]*\n", output.strip()) if problem is None else []
        if len(paragraphs) == len(texts) and all(p.strip() for p in paragraphs):
            return [re.sub(r"\s+", " ", p).strip() for p in paragraphs]
        if len(texts) == 1:
            return [Failure(problem or f"apertium {mode} gave {len(paragraphs)} paragraphs for 1")]
        middle = len(texts) // 2
        return self._step(mode, texts[:middle]) + self._step(mode, texts[middle:])


def _tidied(result: Result, text: str) -> Result:
    """Spaces that Apertium sets before stops are taken out where the source has none."""
    if isinstance(result, Failure):
        return result
    if not result:
        return Failure("empty translation")
    return result if re.search(r"\s[.,)]", text) else re.sub(r"\s+([.,)])(?!\w)", r"\1", result)


def _run(mode: str, stream: str) -> tuple[str, str | None]:
    """Output of one process, and what went wrong if something did."""
    try:
        done = subprocess.run(
            ["apertium", "-u", mode],
            input=stream.encode("utf-8"),
            capture_output=True,
            timeout=_PATIENCE_S + len(stream) / _CHARS_PER_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"apertium {mode} did not end in time"
    if done.returncode:
        return "", f"apertium {mode} ended with {done.returncode}"
    return done.stdout.decode("utf-8", "replace"), None


def check_modes(modes: list[str], name: str) -> None:
    """Raise BabelmixError when the program or a mode is not installed."""
    wanted = " ".join(sorted({"apertium", *(_PACKAGES.get(m, f"apertium-{m}") for m in modes)}))
    install = f"On Debian: `apt-get install {wanted}`."
    try:
        listed = subprocess.run(["apertium", "-l"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BabelmixError(
            f"translators.{name}: the program `apertium` is not installed. {install}"
        ) from None
    missing = [mode for mode in modes if mode not in listed.stdout.split()]
    if missing:
        raise BabelmixError(
            f"translators.{name}.modes: apertium has no mode {', '.join(missing)} (it has: "
            f"{', '.join(listed.stdout.split()) or 'none'}). {install}"
        )


def make(spec: TranslateSpec, folder: Path | None) -> ApertiumBackend:
    """Return the backend of a shard."""
    assert isinstance(spec.translator, ApertiumTranslator)
    return ApertiumBackend(spec.translator, spec.translator_name, spec.lang)
