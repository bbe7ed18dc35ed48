"""How published files spell a verdict: one table for all formats.

A spelling speaks of a place (``A``: the answer shown first) or of a model (``win``: the run's).
With an order the two differ: in the exchanged one the run's answer is shown second. A spelling that
is not in the table is unknown, and stops an import: a verdict is never guessed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["A", "B", "tie", "both_bad", "none"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a spelling says. ``none`` is a published failure. ``of_model``: the run is ``A``,
    whatever the order; else the answer shown first is. ``strength`` is as in ``Judgement``."""

    side: Side
    of_model: bool = False
    strength: str = ""

    def said(self) -> str:
        """In a word: ``the run``, ``the baseline``, a place, ``tie`` …"""
        if self.side == "none":
            return "no verdict"
        models = {"A": "the run", "B": "the baseline"} if self.of_model else {}
        return models.get(self.side, self.side)

    def shown(self, order: str) -> str | None:
        """The verdict in terms of the places shown in this order; None for a failure."""
        if self.side == "none":
            return None
        if self.of_model and order == "BA":
            return {"A": "B", "B": "A"}.get(self.side, self.side)
        return self.side


@dataclass(frozen=True, slots=True)
class Unknown:
    """A spelling that the table does not hold, as published."""

    spelling: str


#: Names of the first and the second answer, of the place that they were shown in.
_FIRST = "a 1 first left one erste premier première primero primera primo prima 第一 第一个 첫번째"
_SECOND = "b 2 second right two zweite deuxième segundo segunda secondo seconda 第二 第二个 두번째"
#: Words that name the run and its baseline.
_RUN = "run model model_a model_1 model1 modela candidate challenger"
_BASELINE = "baseline reference model_b model_2 model2 modelb"
_WON = (
    "win wins won winner victory sieg gewonnen gewinnt victoire gagné gagne victoria gana ganó "
    "vittoria vince vinto vitória vence venceu winst gewonnen wygrana výhra победа выигрыш "
    "перемога galibiyet فوز 胜 胜利 勝 勝ち 勝利 승 승리 thắng menang"
)
_LOST = (
    "loss lose loses lost defeat niederlage verloren verliert défaite perdu perd derrota pierde "
    "perdió sconfitta perde perso perdeu verlies przegrana prohra поражение проигрыш поразка "
    "mağlubiyet خسارة 负 失败 敗 負け 敗北 패 패배 thua kalah"
)
_TIED = (
    "tie tied ties draw drawn equal equals same both even similar c 1.5 "
    "unentschieden gleichstand gleich égalité egalité nul empate empatado igual pareggio parità "
    "gelijkspel gelijk remis remíza ничья равны нічия berabere eşit oavgjort lika uafgjort "
    "uavgjort tasapeli viik döntetlen egal ισοπαλία תיקו تعادل बराबर "
    "平局 平手 平 相同 引き分け 引分 同点 同等 무승부 비김 동점 hòa seri เสมอ"
)
_TIED_PHRASES = ("tie (inconsistent)", "both good", "equally good", "no preference", "inconsistent")
_BAD = "d neither both_bad bothbad both-bad"
_BAD_PHRASES = (
    "tie (bothbad)",
    "tie (both bad)",
    "both bad",
    "both are bad",
    "equally bad",
    "beide schlecht",
    "les deux mauvais",
    "ambos malos",
    "entrambi cattivi",
)
_FAILED = (
    "error $error$ none null nan n/a na invalid failed failure garbage unknown unsure skip skipped "
    "abstain - ?"
)
#: "0" beside "2" is a tie. Beside "1" alone it may be the first of two: then it is unknown.
_ZERO = "0"

_NOUN = (
    "(?:the )?(?:ai )?(?:assistant|response|answer|output|option|reply|system|completion|text|"
    "antwort|réponse|respuesta|risposta|ответ|回答|답변)"
)
_PLACE = re.compile(rf"(?:{_NOUN}[ _-]*)?[(\[]?([ab12])[)\]]?")
_ANNOUNCED = re.compile(
    r"(?:final )?(?:winner|verdict|result|better|preferred)(?: is)?[ ]?[:=]?[ ](.+)"
)
_BETTER = re.compile(r"(.+?)[ _-](?:is[ _])?(?:the[ _])?(?:wins?|won|better|better one|winner)")
_EQUAL = ("=", "==", "~", "≈")
_COMPARED = re.compile(r"^([ab12])(>{1,3}|<{1,3}|==?|≫|≪|~|≈)([ab12])$")
_GRADED = re.compile(r"^([ab])(\+{1,2})$")
_SIDES: dict[str, Side] = {"a": "A", "1": "A", "b": "B", "2": "B"}


def _fold(value: Any) -> str:
    """A spelling without case, width, brackets and end marks; whole numbers without ``.0``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = unicodedata.normalize("NFKC", str(value)).strip().casefold()
    text = re.sub(r"\s+", " ", text)
    while match := re.fullmatch(r"[\[\"'`*{](.+)[\]\"'`*}]", text):
        text = match[1].strip()
    text = text.rstrip(".!。").strip() if text not in ("-", "?") else text
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)


def _table() -> dict[str, Reading]:
    readings: dict[str, Reading] = {}
    for words, reading in (
        (_FIRST.split(), Reading("A")),
        (_SECOND.split(), Reading("B")),
        (_RUN.split(), Reading("A", of_model=True)),
        (_BASELINE.split(), Reading("B", of_model=True)),
        (_WON.split(), Reading("A", of_model=True)),
        (_LOST.split(), Reading("B", of_model=True)),
        ([*_TIED.split(), *_TIED_PHRASES], Reading("tie")),
        ([*_BAD.split(), *_BAD_PHRASES], Reading("both_bad")),
        ([*_FAILED.split(), ""], Reading("none")),
        ([_ZERO], Reading("tie")),
    ):
        readings |= {_fold(word): reading for word in words}
    return readings


_READINGS = _table()
#: What ``--verdict-map`` may map a spelling to.
TARGETS: dict[str, Reading] = {
    "A": Reading("A"),
    "B": Reading("B"),
    "win": Reading("A", of_model=True),
    "loss": Reading("B", of_model=True),
    "tie": Reading("tie"),
    "both_bad": Reading("both_bad"),
    "none": Reading("none"),
}


def read_spelling(
    value: Any, names: tuple[str, str] = ("", ""), mapped: Mapping[str, Reading] | None = None
) -> Reading | Unknown:
    """What a published verdict says. ``names`` are the run's and the baseline's own names.

    ``mapped`` (what the user said) goes before all, then the models' names, then the table.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return Reading("none")
    written = str(value).strip()
    folded = _fold(value)
    for spelling in (written, folded):
        if mapped and spelling in mapped:
            return mapped[spelling]
    named = _by_name(folded, names)
    listed = _READINGS.get(folded) or _composed(folded)
    if named and listed and named.side != listed.side:
        return Unknown(written)  # a model is called as another one's place: it may be either
    # A letter or number speaks of the place, also where models are called so.
    return (
        (listed or named or Unknown(written))
        if len(folded) < 2
        else (named or listed or Unknown(written))
    )


def _by_name(folded: str, names: tuple[str, str]) -> Reading | None:
    """The model that a spelling names, alone or as in ``gpt-4 wins``."""
    run, baseline = (_fold(name) for name in names)
    if run == baseline:
        return None
    inner = _BETTER.fullmatch(folded)
    for words in (folded, inner[1] if inner else ""):
        if words and words in (run, baseline):
            return Reading("A" if words == run else "B", of_model=True)
    return None


def _composed(folded: str) -> Reading | None:
    """Spellings with parts: ``A>>B``, ``B++``, ``Assistant A is better``, ``model_a_wins``."""
    tight = folded.replace(" ", "")
    if match := _COMPARED.match(tight):
        return _compared(_SIDES[match[1]], match[2], _SIDES[match[3]])
    if match := _GRADED.match(tight):
        return Reading(_SIDES[match[1]], strength="slight" if len(match[2]) == 1 else "significant")
    if match := _ANNOUNCED.fullmatch(folded):
        return _one_side(match[1])
    if match := _BETTER.fullmatch(folded):
        return _one_side(match[1])
    return _one_side(folded)


def _compared(left: Side, sign: str, right: Side) -> Reading | None:
    if left == right:
        return None
    if sign in _EQUAL:
        return Reading("tie")
    clear = len(sign) > 1 or sign in "≫≪"
    return Reading(
        left if sign[0] in ">≫" else right, strength="significant" if clear else "slight"
    )


def _one_side(words: str) -> Reading | None:
    found = _READINGS.get(words) or _READINGS.get(words.replace(" ", "_"))
    if found is None and (match := _PLACE.fullmatch(words)):
        return Reading(_SIDES[match[1]])
    return found if found is not None and found.side in ("A", "B", "tie") else None


def ambiguous(values: Iterable[Any]) -> set[str]:
    """Spellings whose meaning the others of a file leave open: 0 and 1 where there is no 2."""
    seen = {_fold(value) for value in values if value is not None}
    if _ZERO in seen and not seen & {"2", "a", "b"}:
        return seen & {_ZERO, "1"}
    return set()


def is_spelled(value: Any, spelling: str) -> bool:
    """Whether a published value is this folded spelling."""
    return value is not None and _fold(value) == spelling
