"""The forms of published judgement files: each has a reader, row -> entries.

| format | of | one row |
|---|---|---|
| fastchat-single, mt-bench-x | FastChat ``model_judgment/*_single.jsonl`` | a grade |
| fastchat-pair | FastChat ``model_judgment/*_pair.jsonl`` | a pair in both orders |
| votes | LMSYS ``mt_bench_human_judgments`` | a vote on a pair, without an order |
| arena-hard | Arena-Hard ``model_judgment/*/*.jsonl`` | a pair in both orders |
| fasteval | FastEval ``judge-replies.json`` | a judge's reply to one turn |
| mt-bench-repro | mt_bench_repro ``judgments/*/*.jsonl`` | both turns, or both orders |
| alpaca-eval | AlpacaEval ``annotations.json`` | a preference, orders merged |
| llmbar | LLMBar ``evaluators/*/*/result.json`` | a pair in both orders, and its label |
| pandalm | PandaLM ``testset-v1.json``, ``*-testset-v1.json`` | votes, or a verdict, on a pair |
| cherry | Cherry_LLM ``*_reviews_gpt4.json`` | two grades in both orders |
| logickor | LogicKor ``evaluated/*/*/*.jsonl`` | both turns |
| judgebench | JudgeBench ``outputs/*.jsonl`` | a pair in both orders, and its label |
| records | JSON, JSON lines or CSV with our own names | a verdict, both orders or both turns |

A reader yields a text where a row, or a part of it, holds no verdict at all: the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import BabelmixError
from ..verdict import SCALE
from .entry import Entry, Fields, Hints
from .fastchat import arena_hard, fastchat_pair, fastchat_single, fasteval, mt_bench_repro, votes
from .own_rows import parts_of, records
from .studies import alpaca_eval, cherry, judgebench, llmbar, logickor, pandalm

Reader = Callable[[Fields, Hints], Iterator[Entry | str]]


@dataclass(frozen=True, slots=True)
class Format:
    """A reader, the scale of its grades, and the file names that a folder is searched for.

    ``zero_is_tie``: a verdict 0 is a tie; else the file's other spellings must tell.
    """

    read: Reader
    scale: tuple[float, float] = SCALE
    files: str = ""
    zero_is_tie: bool = False


FORMATS: dict[str, Format] = {
    "fastchat-single": Format(fastchat_single),
    "fastchat-pair": Format(fastchat_pair),
    "mt-bench-x": Format(fastchat_single),
    "alpaca-eval": Format(alpaca_eval, files="annotations.json", zero_is_tie=True),
    "llmbar": Format(llmbar, files="result.json"),
    "arena-hard": Format(arena_hard),
    "fasteval": Format(fasteval, files="judge-replies.json"),
    "mt-bench-repro": Format(mt_bench_repro),
    "pandalm": Format(pandalm, zero_is_tie=True),
    "cherry": Format(cherry, files="*_reviews_*.json"),
    "logickor": Format(logickor, scale=(0, 10)),
    "judgebench": Format(judgebench),
    "votes": Format(votes),
    "records": Format(records),
}
#: Names of fields that some reader knows: what ``--map`` may name.
KNOWN_FIELDS = "|".join(
    (
        r"(score|scores|verdict|raw|weight)(_turn_?\d+)?(_(ab|ba))?",
        "question_id|id|key|idx|uid|pair_id|conversation_id|run|model|model_id|baseline|judge",
        "judge_id|judge_name|annotator|annotator_index|lang|language|category|turn|turn_number",
        "sample|order|finish_reason|stop_reason|length|baseline_length|model_[ab12]|winner(_model_[ab]|_tie|_ab|_ba)?",
        r"g[12]_winner|(g[12]_)?judge?ment(_turn\d+|_ab|_ba)?|games|instruction|input",
        r"output_[12]|generator(_[12])?|preference|dataset|raw_completion|label|results|cmp_key",
        r"motivation_app|annotator\d+|\w+_(result|reason)|Answer[12]|review(_reverse)?",
        "scores_reverse|query_single|query_multi|judgments|source|judge_reply",
    )
)
#: Fields that tell a format, the most telling first. A pattern stands for any field that it fits.
_SIGNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("arena-hard", ("games",)),
    ("llmbar", ("input", "results")),
    ("judgebench", ("pair_id", "judgments")),
    ("pandalm", ("idx", r"annotator1|\w+_result")),
    ("cherry", ("scores", "scores_reverse")),
    ("logickor", ("id", "query_single|query_multi")),
    ("fasteval", ("question_id", "turn_number", "judge_reply")),
    ("mt-bench-repro", ("question_id", "model_id|model_a", "judge_id", "score_turn1|winner_ab")),
    ("alpaca-eval", ("instruction", "preference")),
    ("fastchat-pair", ("model_1", "model_2", "g1_winner")),
    ("votes", ("model_a", "model_b", "winner|winner_model_a")),
    ("fastchat-single", ("question_id", "model", "score", "judge?ment")),
    ("records", ("question_id", "run")),
    ("fastchat-single", ("question_id", "model", "score")),
)


def recognise(rows: list[Any], path: str) -> str:
    """The format of a file by the fields of its first row."""
    first = rows[0] if rows and isinstance(rows[0], dict) else {}
    for name, signs in _SIGNS:
        if all(any(re.fullmatch(sign, str(field)) for field in first) for sign in signs):
            return name
    if parts_of(first) and {"question_id", "id", "key"} & set(first):
        return "records"
    raise BabelmixError(
        f"{path}: its rows are of no form that we know (fields: {', '.join(sorted(first))}). Name "
        f"it by --format ({', '.join(FORMATS)}), with `--map ours=theirs` for fields that are "
        "called otherwise."
    )
