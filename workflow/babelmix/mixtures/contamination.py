"""Verb ``find-contamination``: rows of a pool that are, or nearly are, benchmark questions.

Every turn (user, assistant and system) is compared with every question turn in every language by
runs of three words (single characters in scripts without spaces): the share of the *question's*
runs that the turn holds, so that a question inside a longer instruction or answer is found too.
Vectors and their products are scikit-learn's and SciPy's; one language is in memory at a time.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import BabelmixError
from ..io import read_batches, read_table, write_json, write_table
from ..options import add_settings, read_settings
from ..specs import ContaminationSpec

#: A word, or one character of a script that writes without spaces.
TOKEN = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|[^\W_]+"
RUN = 3
#: A question of fewer runs is found only where a turn is equal to it, word for word.
FEWEST_RUNS = 5
BATCH = 20_000
SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("lang", pa.string(), nullable=False),
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("question_id", pa.string(), nullable=False),
        pa.field("question_lang", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
    ]
)
_WORDS = re.compile(TOKEN)
#: How the error names a turn that is not the user's.
_WHERE = {"assistant": ", in an answer", "system": ", in a system prompt"}


def normalised(text: str) -> str:
    """Words alone, in small letters, by single spaces."""
    return " ".join(_WORDS.findall(text.casefold()))


@dataclass(frozen=True)
class Asked:
    """One question turn of a benchmark, with its words alone."""

    benchmark: str
    question_id: str
    lang: str
    text: str


class Questions:
    """Question turns, ready to be looked for in many texts."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        self.asked = list(asked)
        self.exact: dict[str, list[int]] = {}
        for place, question in enumerate(self.asked):
            self.exact.setdefault(question.text, []).append(place)
        self._vectors = CountVectorizer(
            token_pattern=TOKEN, ngram_range=(RUN, RUN), binary=True, lowercase=False
        )
        try:
            counts = self._vectors.fit_transform(q.text for q in self.asked)
        except ValueError:  # no question has a single run
            counts = None
        self._runs = counts
        self._lengths = (
            np.zeros(len(self.asked)) if counts is None else np.asarray(counts.sum(axis=1)).ravel()
        )

    def matches(self, texts: Sequence[str], least: float) -> Iterator[tuple[int, int, float]]:
        """(text, question, similarity) of every pair at or above ``least``."""
        for place, text in enumerate(texts):
            for question in self.exact.get(text, ()):
                yield place, question, 1.0
        if self._runs is None:
            return
        shared = (self._vectors.transform(texts) @ self._runs.T).tocoo()
        similarity = shared.data / self._lengths[shared.col]
        keep = (similarity >= least) & (self._lengths[shared.col] >= FEWEST_RUNS)
        yield from zip(
            shared.row[keep].tolist(),
            shared.col[keep].tolist(),
            similarity[keep].tolist(),
            strict=True,
        )


def read_questions(paths: Sequence[Path]) -> list[Asked]:
    """Turns of question files named ``{benchmark}.{lang}.parquet``; empty turns left out."""
    asked = []
    for path in paths:
        benchmark = path.name.split(".", 1)[0]
        table = read_table(path, columns=["question_id", "lang", "turns"])
        for row in table.to_pylist():
            texts = dict.fromkeys(filter(None, map(normalised, row["turns"])))
            asked += [Asked(benchmark, row["question_id"], row["lang"], text) for text in texts]
    return asked


def turns(path: Path) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Ids, roles and words of all turns of a conversations file, in batches."""
    for batch in read_batches(path, ["id", "messages"], BATCH):
        messages = batch["messages"].flatten()
        ids = batch["id"].take(pc.list_parent_indices(batch["messages"])).to_pylist()
        texts = [normalised(t) for t in messages.field("content").to_pylist()]
        yield ids, messages.field("role").to_pylist(), texts


def find(
    conversations: Mapping[str, Path], asked: Sequence[Asked], spec: ContaminationSpec
) -> list[dict[str, Any]]:
    """Hits, the closest of each id, language and question; sorted.

    ``role`` is that of the closest turn (``id`` where the id itself is the question's).
    """
    best: dict[tuple[str, ...], tuple[float, str]] = {}
    questions = Questions(asked)
    own_ids = {q.question_id: q for q in asked if q.benchmark in spec.shared_ids}
    for lang, path in conversations.items():
        for ids, roles, texts in turns(path):
            for row_id in own_ids.keys() & set(ids):
                q = own_ids[row_id]
                best[(row_id, lang, q.benchmark, q.question_id, q.lang)] = (1.0, "id")
            for place, number, value in questions.matches(texts, spec.similarity):
                q = asked[number]
                key = (ids[place], lang, q.benchmark, q.question_id, q.lang)
                if value > best.get(key, (0.0, ""))[0]:
                    best[key] = (value, roles[place])
    names = ("id", "lang", "benchmark", "question_id", "question_lang")
    return [
        {"dataset": spec.dataset, **dict(zip(names, key, strict=True)), "role": role}
        | {"similarity": value}
        for key, (value, role) in sorted(best.items())
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_settings(parser, ContaminationSpec)
    parser.add_argument(
        "--conversations", nargs="+", required=True, type=Path, help="one file a language, in order"
    )
    parser.add_argument(
        "--questions", nargs="*", default=[], type=Path, help="{benchmark}.{lang}.parquet files"
    )
    parser.add_argument("--output", required=True, type=Path, help="hits (parquet)")
    parser.add_argument("--manifest", required=True, type=Path, help="counts (JSON)")


def run(args: argparse.Namespace) -> None:
    """Look for the questions; hits are an error unless the pool says otherwise."""
    spec = read_settings(args, ContaminationSpec)
    files = dict(zip(spec.languages, args.conversations, strict=True))
    asked = read_questions(args.questions)
    hits = find(files, asked, spec) if asked else []
    ids = sorted({hit["id"] for hit in hits})
    if ids and spec.on_contamination == "error":
        raise BabelmixError(complaint(spec, hits, ids))
    columns = {f.name: [hit[f.name] for hit in hits] for f in SCHEMA}
    write_table(args.output, pa.table(columns, schema=SCHEMA))
    counts: dict[str, int] = {}
    for benchmark, _ in sorted({(hit["benchmark"], hit["id"]) for hit in hits}):
        counts[benchmark] = counts.get(benchmark, 0) + 1
    write_json(
        args.manifest,
        {
            "dataset": spec.dataset,
            "on_contamination": spec.on_contamination,
            "similarity": spec.similarity,
            "questions": len({(q.benchmark, q.question_id) for q in asked}),
            "hits": len(hits),
            "ids": ids,
            "ids_by_benchmark": counts,
            "ids_by_role": {
                role: len({hit["id"] for hit in hits if hit["role"] == role})
                for role in sorted({hit["role"] for hit in hits})
            },
        },
    )
    print(f"contamination of {spec.dataset}: {len(ids)} ids of {len(asked)} question turns")


def complaint(spec: ContaminationSpec, hits: list[dict[str, Any]], ids: list[str]) -> str:
    """Compose the error: which rows, which questions, how to fix it."""
    shown = "\n".join(
        f"  {h['id']} ({h['lang']}{_WHERE.get(h['role'], '')}): {h['benchmark']} question "
        f"{h['question_id']} ({h['question_lang']}), {h['similarity']:.0%} of its words in runs"
        for h in hits[:10]
    )
    return (
        f"dataset '{spec.dataset}': {len(ids)} of its ids hold, or nearly hold, questions that its "
        f"models are asked:\n{shown}\nSet `on_contamination: leave_out` for the dataset to train "
        "without them, `keep` to train on them, or raise `similarity` to count fewer matches."
    )
