"""The adapters and the audit on real published files (BABELMIX_REAL_DATA)."""

import contextlib
import gzip
import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from babelmix.config.sources import Source
from babelmix.errors import BabelmixError
from babelmix.sources.adapters import Parsed, conversations
from babelmix.sources.benchmark import choose_questions
from babelmix.sources.questions import questions
from babelmix.sources.readers import read_rows
from babelmix.specs import BenchmarkSpec, TranslateSpec
from babelmix.translate.audit import audit
from babelmix.translate.protect import protected_pieces
from babelmix.translate.shard import translate_shard

DATA = Path(os.environ.get("BABELMIX_REAL_DATA", ""))
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("BABELMIX_REAL_DATA" not in os.environ, reason="needs BABELMIX_REAL_DATA"),
]
LANGUAGES = ["en", "de", "fr", "it", "es"]


def parse(adapter: str, file: str, lang: str = "en", **more: Any) -> Parsed:
    source = Source(adapter=adapter, path=file, licence="x", **more)  # type: ignore[arg-type]
    return conversations(read_rows(DATA / file), source, "s", lang, "d", file)


@pytest.mark.parametrize(
    ("adapter", "file", "kept", "left_out", "more"),
    [
        ("lima", "lima/train.llamafactory.json", 1029, {}, {}),
        (
            "lima",
            "lima/train.llamafactory.json",
            1000,
            {"more than one turn pair": 29},
            {"single_turn_only": True},
        ),
        ("alpaca", "alpaca/alpaca_5k.alpagasus_claude_t45.json", 5301, {"output is empty": 4}, {}),
        ("alpaca", "alpaca/alpaca_en_demo.json", 999, {}, {}),
        ("alpaca", "dolly/dolly_3k.alpagasus.json", 2996, {}, {}),
        ("oasst", "oasst/oasst1_en_validation.jsonl", 186, {"no answer of rank 0 in en": 2}, {}),
        # Counted by a script of its own, from the parents and ranks alone.
        ("oasst", "oasst/oasst1_en_validation.jsonl", 188, {}, {"threads": "best_path"}),
        ("oasst", "oasst/oasst1_en_validation.jsonl", 928, {}, {"threads": "all_paths"}),
        ("oasst", "oasst/en_100_tree.jsonl", 99, {"no answer of rank 0 in en": 1}, {}),
        ("oasst", "oasst/en_100_tree.jsonl", 100, {}, {"threads": "best_path"}),
        ("oasst", "oasst/en_100_tree.jsonl", 546, {}, {"threads": "all_paths"}),
        (
            "fields",
            "alpaca/seed_tasks.jsonl",
            175,
            {},
            {
                "fields": {
                    "id": "id",
                    "prompt": ["instruction", "instances.0.input"],
                    "answer": "instances.0.output",
                }
            },
        ),
        (
            "fields",
            "eval_prompts/wizardlm_test_set.jsonl",
            218,
            {},
            {"fields": {"id": "idx", "prompt": "Instruction"}},
        ),
        ("fields", "vicuna_bench/de/question.jsonl", 80, {}, {"fields": {"prompt": "text"}}),
        ("alpaca_eval", "alpaca_eval/text_davinci_003.model_outputs.json", 805, {}, {}),
        (
            "alpaca_eval",
            "alpaca_eval/text_davinci_003.model_outputs.json",
            617,
            {"subset oasst is excluded": 188},
            {"exclude_subsets": ["oasst"]},
        ),
    ],
)
def test_counts(adapter: str, file: str, kept: int, left_out: dict[str, int], more: Any) -> None:
    parsed = parse(adapter, file, id_prefix="r-", **more)
    assert (len(parsed.rows), parsed.left_out) == (kept, left_out)


def test_messages() -> None:
    assert len(parse("messages", "oasst/oasst_20230412_fr_top1.jsonl", "fr").rows) == 256


def test_whole_threads_of_openassistant() -> None:
    """Lengths in turn pairs of the best paths, counted apart from this code."""
    rows = parse("oasst", "oasst/oasst1_en_validation.jsonl", threads="best_path").rows
    assert Counter(len(r.messages) // 2 for r in rows) == {1: 102, 2: 85, 3: 1}
    assert parse("oasst", "oasst/oasst1_en_validation.jsonl").raw == {
        "messages": 2022,
        "trees": 188,
        "without_parent": 3,
    }


BACTRIAN = re.compile(r"^```json\n(\{.*?^\})\n```", re.MULTILINE | re.DOTALL)


def test_bactrian_rows_of_the_published_card(tmp_path: Path) -> None:
    """The card's sample rows that are JSON (one of the five is not: bare quotes in its output)."""
    card = (DATA / "bactrian_x" / "DATASET_CARD.md").read_text(encoding="utf-8")
    samples = BACTRIAN.findall(card)
    rows = []
    for sample in samples:
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(sample))
    assert (len(samples), len(rows)) == (5, 4)
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode("utf-8")))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    source = Source(adapter="alpaca", path="x", licence="x")
    found = [
        conversations(read_rows(tmp_path / name), source, "s", "en", "d", name).rows
        for name in ("x.json.gz", "x.parquet")
    ]
    assert found[0] == found[1]
    assert [r.id for r in found[0]] == ["alpaca-107", "alpaca-41997", "alpaca-40382", "dolly-10940"]
    assert (
        found[0][0].messages[0].content.startswith("What is the main idea of this text?\n\nThe r")
    )


def test_dolly_in_its_own_columns() -> None:
    """The same rows under Dolly's own names give the same conversations."""
    rows = read_rows(DATA / "dolly/dolly_3k.alpagasus.json")
    own = [
        {
            "instruction": r["instruction"],
            "context": r["input"],
            "response": r["output"],
            "category": r["category"],
        }
        for r in rows
    ]
    source = Source(adapter="alpaca", path="x", licence="x")
    assert conversations(own, source, "s", "en", "d", "x") == conversations(
        rows, source, "s", "en", "d", "x"
    )


def test_prompts_are_no_training_rows() -> None:
    with pytest.raises(BabelmixError, match="conversations is not a list: 300"):
        parse("lima", "lima/test.jsonl")


def mt_bench_x(lang: str) -> list[Any]:
    folder = DATA / "mt_bench_x" / f"mt_bench_{lang.upper()}"
    source = Source(adapter="mt_bench_x", path="{LANG}", languages=LANGUAGES, licence="x")
    references = read_rows(folder / "reference_answer" / "gpt-4.jsonl")
    return questions(read_rows(folder / "question.jsonl"), references, source, lang, str(folder))


def test_mt_bench_x_is_parallel() -> None:
    by_lang = {lang: mt_bench_x(lang) for lang in LANGUAGES}
    given = {"version": 1, "name": "b", "lang": "en", "languages": LANGUAGES, "dataset": None}
    given |= {"source": None, "questions": 8, "turns": None, "max_question_chars": None}
    spec = BenchmarkSpec.model_validate(given | {"categories": None})
    ids, _ = choose_questions(by_lang, spec)
    assert ids == ["81", "91", "101", "111", "121", "131", "141", "151"]
    for found in by_lang.values():
        assert len(found) == 80
        assert sum(bool(q.reference) for q in found) == 30
        assert all(len(q.turns) == 2 for q in found)


def test_mt_bench() -> None:
    folder = DATA / "mt_bench" / "en"
    source = Source(adapter="mt_bench", path="x", licence="x")
    references = read_rows(folder / "reference_answer" / "gpt-4.jsonl")
    found = questions(read_rows(folder / "question.jsonl"), references, source, "en", "x")
    assert [q.question_id for q in found] == [str(n) for n in range(81, 161)]
    assert sum(bool(q.reference) for q in found) == 30


def test_the_audit_flags_few_human_translations() -> None:
    """FLORES: professional translations fail a check in under 8 % of the sentences."""
    english = (DATA / "flores" / "flores-test.en").read_text(encoding="utf-8").splitlines()
    for lang in LANGUAGES[1:]:
        target = (DATA / "flores" / f"flores-test.{lang}").read_text(encoding="utf-8").splitlines()
        pairs = list(zip(english, target, strict=True))[:300]
        flagged = [p for p in pairs if not all(c.ok for c in audit(*_messages(p), "en", lang))]
        assert len(flagged) < 0.08 * len(pairs)


def _messages(pair: tuple[str, str]) -> Any:
    from babelmix.records import Message

    return [Message("user", pair[0])], [Message("user", pair[1])]


@pytest.mark.skipif(shutil.which("apertium") is None, reason="needs apertium")
def test_lima_through_apertium(tmp_path: Path) -> None:
    """Every piece of code, formula and address of 20 rows with code comes back as it was."""
    rows = parse("lima", "lima/train.llamafactory.json", id_prefix="lima-").rows
    rows = [r for r in rows if any("```" in m.content for m in r.messages)][:20]
    modes = {"es": ["eng-spa"], "fr": ["eng-spa", "es-fr"], "it": ["eng-spa", "spa-ita"]}
    given = {"version": 1, "dataset": "d", "lang": "it", "pivot": "en", "shard": 0, "shards": 1}
    given |= {"translator_name": "t", "translator": {"backend": "apertium", "modes": modes}}
    spec = TranslateSpec.model_validate(given)
    made, manifest = translate_shard(rows, spec, str(tmp_path / "j"))
    assert sum(len(protected_pieces(m.content)) for r in rows for m in r.messages) > 50
    assert manifest["failed_by_check"].keys() <= {"language", "repetition"}
    assert manifest["passed"] >= 18
    again, manifest = translate_shard(rows, spec, str(tmp_path / "j"))
    assert again == made
    assert manifest["sent_characters"] == 0
    assert json.dumps(manifest)
