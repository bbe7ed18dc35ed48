"""The adapters and the audit on real published files (BABELMIX_REAL_DATA)."""

import contextlib
import gzip
import hashlib
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

from babelmix.config.builtin import catalogue
from babelmix.config.sources import Source
from babelmix.errors import BabelmixError
from babelmix.files.readers import read_rows
from babelmix.mixtures.pool import index_language
from babelmix.records import Conversation, to_table
from babelmix.sources.adapters import Parsed, conversations
from babelmix.sources.benchmark import choose_questions, from_record
from babelmix.sources.fetch import fetch
from babelmix.sources.normalise import choose_rows
from babelmix.sources.questions import questions
from babelmix.specs import BenchmarkSpec, FetchSpec, IndexSpec, NormaliseSpec, TranslateSpec
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
    with pytest.raises(BabelmixError, match="conversations is not a list of objects: 300"):
        parse("lima", "lima/test.jsonl")


def mt_bench_x_record(**more: Any) -> tuple[Source, dict[str, Any]]:
    """The source over the real files, and its fetch record."""
    given = {"adapter": "mt_bench_x", "languages": LANGUAGES, "licence": "x"}
    given |= {"path": str(DATA / "mt_bench_x" / "mt_bench_{LANG}" / "question.jsonl")}
    source = Source.model_validate(given | {"builtin": "mt-bench-x", "expected_rows": 80} | more)
    return source, fetch(FetchSpec(version=1, name="s", source=source), DATA / "nowhere")


def mt_bench_x_spec(source: Source | None, lang: str = "en") -> BenchmarkSpec:
    given = {"version": 1, "name": "b", "lang": lang, "languages": LANGUAGES, "dataset": None}
    given |= {"source": source, "questions": 8, "turns": None, "max_question_chars": None}
    return BenchmarkSpec.model_validate(given | {"categories": None})


def test_the_copy_of_mt_bench_x_is_the_pinned_one() -> None:
    record = mt_bench_x_record()[1]
    assert record["pinned"] == "copy"
    pinned = catalogue()["mt-bench-x"].source["sha256"]
    extra = {Path(f["path"]).relative_to(DATA / "mt_bench_x") for f in record["extra"].values()}
    assert len(extra) == 5 + 4 + 4 + 5 + 1
    for found in record["extra"].values():
        assert pinned[str(Path(found["path"]).relative_to(DATA / "mt_bench_x"))] == found["sha256"]


def test_mt_bench_x_is_parallel() -> None:
    source, record = mt_bench_x_record()
    by_lang, manifest = from_record(mt_bench_x_spec(source), record)
    ids, _ = choose_questions(by_lang, mt_bench_x_spec(None))
    assert ids == ["81", "91", "101", "111", "121", "131", "141", "151"]
    assert manifest["warnings"] == []
    for found in by_lang.values():
        assert len(found) == 80
        assert sum(bool(q.reference) for q in found) == 30
        assert all(len(q.turns) == 2 for q in found)


#: Counted by a script of its own: references whose fenced code differs from the English one's,
#: corrections listed, questions that differ between the two versions.
MT_BENCH_X = {"de": (16, 31, 24), "fr": (17, 36, 27), "it": (17, 72, 71), "es": (17, 37, 34)}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_known_defects_of_mt_bench_x(lang: str) -> None:
    source, record = mt_bench_x_record()
    facts = from_record(mt_bench_x_spec(source, lang), record)[1]
    kinds = Counter(d["kind"] for d in facts["defects"])
    assert kinds["wrong reference"] == 1
    assert facts["published_judge_prompts"] == (12 if lang == "de" else 8)
    assert facts["references"] == 30
    if lang == "en":
        assert set(kinds) == {"wrong reference"}
        assert "corrections" not in facts
        return
    code, listed, changed = MT_BENCH_X[lang]
    assert kinds["translated code in a reference"] == code
    assert (facts["corrections"]["listed"], facts["corrections"]["changed"]) == (listed, changed)
    assert facts["corrections"]["changed_but_not_listed"] == []
    turns = [d["where"] for d in facts["defects"] if d["kind"] == "untranslated turn"]
    assert turns == (["139, turn 2"] if lang == "it" else [])
    assert kinds["stray text"] == (1 if lang == "de" else 0)
    assert kinds["untranslated delimiter"] == (2 if lang == "fr" else 0)


def test_original_questions_and_mended_references() -> None:
    source, record = mt_bench_x_record(question_version="original", mend_references=True)
    by_lang, facts = from_record(mt_bench_x_spec(source, "fr"), record)
    corrected = from_record(mt_bench_x_spec(mt_bench_x_record()[0], "fr"), record)[0]
    differ = [a for a, b in zip(by_lang["fr"], corrected["fr"], strict=True) if a.turns != b.turns]
    assert len(differ) == 27
    assert by_lang["en"] == corrected["en"]
    references = {q.question_id: q.reference for q in by_lang["fr"]}
    assert references["111"] == ["La superficie est de 3", "5pi"]
    english = {q.question_id: q.reference for q in by_lang["en"]}
    fences = re.compile(r"```.*?```", re.DOTALL)
    for number in map(str, range(121, 131)):
        for here, there in zip(references[number], english[number], strict=True):
            assert fences.findall(here) == fences.findall(there)
    assert all(d["done"] != "kept as published" for d in facts["defects"])


def test_study_2s_pool() -> None:
    """LIMA's single turns and OpenAssistant's first turns of rank 0, 250 held out by the seed."""
    entries = {name: catalogue()[name].source for name in ("lima-single-turn", "oasst1")}
    files = {"lima-single-turn": "lima/train.llamafactory.json"}
    files["oasst1"] = "oasst/oasst1_en_validation.jsonl"
    sources, parsed = {}, {}
    for name, entry in entries.items():
        given = {k: v for k, v in entry.items() if k not in ("hub", "file")}
        sources[name] = Source.model_validate(given | {"path": files[name]})
        rows = read_rows(DATA / files[name])
        parsed[name] = conversations(rows, sources[name], name, "en", "pinch", name)
    spec = NormaliseSpec(
        version=1,
        dataset="pinch",
        lang="en",
        pivot="en",
        sources=sources,
        rows=None,
        max_chars=None,
        seed=0,
    )
    rows, manifest = choose_rows(spec, parsed)
    assert Counter(r.source for r in rows) == {"lima-single-turn": 1000, "oasst1": 186}
    assert all([m.role for m in r.messages] == ["user", "assistant"] for r in rows)
    assert manifest["sources"]["oasst1"]["raw"]["messages"] == 2022
    # The data here is a part of OASST1, and the manifest says so.
    assert [w.partition(",")[0] for w in manifest["warnings"]] == [
        "source 'oasst1' gives 186 usable rows in 'en'"
    ]
    index = IndexSpec(
        version=1, dataset="pinch", lang="en", on_failed_check="keep", dev_rows=250, seed=0
    )
    table = to_table(rows, Conversation)
    held = index_language(table, index)
    assert held["dev"].to_pylist() == drawn_dev([r.id for r in rows], 0)
    assert (held.num_rows, sum(held["dev"].to_pylist())) == (1186, 250)
    other = index_language(table, index.model_copy(update={"seed": 1}))
    assert other["dev"].to_pylist() == drawn_dev([r.id for r in rows], 1) != held["dev"].to_pylist()


def drawn_dev(ids: list[str], seed: int) -> list[bool]:
    """The 250 lowest ids by SplitMix64 of their digest and the seed's, in whole numbers."""
    mask = 2**64 - 1

    def digest(text: str) -> int:
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def mixed(row_id: str) -> int:
        z = ((digest(row_id) ^ digest(f"dev:{seed}")) + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    chosen = set(sorted(ids, key=mixed)[:250])
    return [i in chosen for i in ids]


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
