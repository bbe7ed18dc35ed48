"""Forms of rows that users have: turns, masks, ids, conditions, pairs by line; and memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_model
from pydantic import ValidationError
from tests.options import as_options
from tests.unit.test_chat import TEMPLATES, trained_texts

from babelmix.cli import main
from babelmix.config.fields import FieldMap
from babelmix.config.sources import Dataset, Source
from babelmix.errors import BabelmixError
from babelmix.io import file_digest, read_json, read_records, read_table, write_json, write_records
from babelmix.records import Conversation, Message
from babelmix.sources.adapters import Parsed, conversations
from babelmix.sources.languages import code_of
from babelmix.sources.readers import read_rows
from babelmix.sources.writer import write_conversations
from babelmix.train.tokenise import as_chat
from babelmix.translate.backends.base import Limits
from babelmix.translate.engine import plan_rows


def parse(adapter: str, rows: list[Any], lang: str = "en", **more: Any) -> Parsed:
    given = {"adapter": adapter, "path": "x", "licence": "x"} | more
    return conversations(rows, Source.model_validate(given), "s", lang, "d", "x.json")


def chat(*texts: str) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]


def left_out(turns: Any, **more: Any) -> str:
    """The reason for which a row with these turns is left out."""
    parsed = parse("messages", [{"messages": turns}, {"messages": chat("q", "a")}], **more)
    (reason,) = parsed.left_out
    return reason


@pytest.mark.parametrize(
    ("turn", "trained"),
    [
        ({"weight": 0}, False),
        ({"weight": 0.0}, False),
        ({"weight": 1}, True),
        ({"weight": None}, True),
        ({"train": False}, False),
        ({"train": True}, True),
        ({"weight": 0, "train": False}, False),
    ],
)
def test_a_turn_says_whether_it_is_trained_on(turn: dict[str, Any], trained: bool) -> None:
    turns = chat("q", "a", "q2", "a2")
    turns[1] |= turn
    (row,) = parse("messages", [{"messages": turns}]).rows
    assert [m.train for m in row.messages] == [True, trained, True, True]


@pytest.mark.parametrize(
    ("place", "turn", "said"),
    [
        (1, {"weight": 0.5}, "weight is 0.5, neither 0 nor 1"),
        (1, {"weight": "0"}, "weight is '0', neither"),
        (1, {"train": "no"}, "train is 'no', neither"),
        (1, {"weight": 1, "train": False}, "weight and train contradict each other"),
        (1, {"train_detail": [{"begin_offset": 0}]}, "train_detail: which tokens"),
        (0, {"train": True}, "a user's turn is to be trained on"),
        (1, {"weight": 0}, "no turn is to be trained on"),
    ],
)
def test_a_mask_that_is_not_known_is_refused(place: int, turn: dict[str, Any], said: str) -> None:
    turns = chat("q", "a")
    turns[place] |= turn
    assert said in left_out(turns)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_loss_skips_what_is_context(name: str) -> None:
    turns = tiny_model.chat(3, turns=3)
    answers = [m["content"].strip() for m in turns if m["role"] == "assistant"]
    messages = [Message(m["role"], m["content"]) for m in turns]
    next(m for m in messages if m.role == "assistant").train = False
    form = TEMPLATES[name]
    encoded = form.encode(as_chat(Conversation("i", "en", "d", "s", messages), ""))
    assert encoded.note == ""
    runs = trained_texts(form, encoded.input_ids, encoded.labels)
    assert [answer in run for answer, run in zip(answers[1:], runs, strict=True)] == [True, True]
    assert form.encode(turns).input_ids == encoded.input_ids
    short = form.encode(as_chat(Conversation("i", "en", "d", "s", messages), ""), 20)
    assert short.trained or short.note.startswith("refused")


def test_the_mask_goes_through_files_and_translation(tmp_path: Path) -> None:
    rows = [
        Conversation(f"r{n}", "en", "d", "s", [Message("user", "q"), Message("assistant", "a")])
        for n in range(3)
    ]
    write_records(tmp_path / "plain.parquet", rows, Conversation)
    kind = read_table(tmp_path / "plain.parquet").schema.field("messages").type.value_type
    assert kind.num_fields == 2  # files without masks are as they were
    rows[1].messages[1].train = False
    write_records(tmp_path / "masked.parquet", rows, Conversation)
    found = read_records(tmp_path / "masked.parquet", Conversation)
    assert [m.train for r in found for m in r.messages] == [True, True, True, False, True, True]


def test_a_mask_that_comes_late_in_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("babelmix.sources.writer.CHARACTERS", 10)
    rows = [
        Conversation(f"r{n}", "en", "d", "s", [Message("user", "q" * 9), Message("assistant", "a")])
        for n in range(9)
    ]
    rows[7].messages[1].train = False
    assert write_conversations(tmp_path / "o.parquet", iter(rows)) == 9
    assert pq.ParquetFile(tmp_path / "o.parquet").num_row_groups == 9
    assert read_records(tmp_path / "o.parquet", Conversation) == rows
    assert [p.name for p in tmp_path.iterdir()] == ["o.parquet"]


def test_tools_are_not_translated() -> None:
    class Backend:
        unit, limits = "message", Limits()

    texts = ["Be kind.\n\n<tools>\n[]\n</tools>", "q", "<tool_call>\n{}\n</tool_call>", "{}", "a"]
    roles = ["system", "user", "assistant", "tool", "assistant"]
    messages = [Message(r, t) for r, t in zip(roles, texts, strict=True)]
    (plan,) = plan_rows([Conversation("i", "en", "d", "s", messages)], Backend(), "en")  # type: ignore[arg-type]
    kept = ["".join(part for part in parts if isinstance(part, str)) for parts in plan]
    assert kept[2:4] == texts[2:4]
    assert kept[0].endswith("<tools>\n[]\n</tools>")
    assert [kept[1], kept[4]] == ["", ""]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "turn is missing"),
        ([], "turn is empty"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], "turn has a part that is no text"),
        ([{"type": "text", "text": None}], "turn has a part that is no text"),
        ({"text": "q"}, "turn is not text"),
    ],
)
def test_contents_that_are_no_text(content: Any, said: str) -> None:
    assert said in left_out([{"role": "user", "content": content}, *chat("q", "a")[1:]])


def test_contents_of_several_parts() -> None:
    parts = [{"type": "text", "text": "Hel"}, "lo", {"type": "input_text", "text": "!"}]
    turns = [{"role": "user", "content": parts}, *chat("q", "a")[1:]]
    assert parse("messages", [{"messages": turns}]).rows[0].messages[0].content == "Hello!"


@pytest.mark.parametrize(
    "form", [json.dumps, lambda turns: {k: [t[k] for t in turns] for k in turns[0]}]
)
@pytest.mark.parametrize("adapter", ["messages", "sharegpt", "lima", "fields"])
def test_turns_as_text_and_as_lists(adapter: str, form: Any) -> None:
    key = "messages" if adapter in ("messages", "fields") else "conversations"
    more = {"fields": {"turns": key}} if adapter == "fields" else {}
    (row,) = parse(adapter, [{key: form(chat("q", "a"))}], **more).rows
    assert [m.content for m in row.messages] == ["q", "a"]


def test_turns_that_are_no_list() -> None:
    assert left_out("[{'role': 'user'}]") == "messages is text, but not JSON"
    assert left_out({"role": ["user"], "content": []}) == "messages is lists of different lengths"


def test_odd_ends() -> None:
    rows = [
        {"messages": [{"role": "assistant", "content": "Welcome"}, *chat("q", "a", "bye")]},
        {"messages": [{"role": "system", "content": "s"}, *chat("q", "a")]},
        {"messages": chat("q")},
        {"messages": [{"role": "assistant", "content": "a"}]},
        {"messages": [*chat("q"), *chat("q", "a")]},
    ]
    parsed = parse("messages", rows, odd_ends="trim")
    assert [[m.content for m in r.messages] for r in parsed.rows] == [["q", "a"], ["s", "q", "a"]]
    assert parsed.changed == {
        "turns before the first question trimmed": 1,
        "turns after the last answer trimmed": 1,
    }
    assert parsed.left_out.total() == 3
    plain = parse("messages", rows)
    assert "`odd_ends: trim` keeps those" in plain.notes[0]


def test_ids_of_tables_and_prefixes() -> None:
    row = {"instruction": "q", "output": "a", "input": float("nan")}
    ids = [7.0, 7.5, float("nan"), None, "x"]
    parsed = parse("alpaca", [row | {"id": i} for i in ids], id_prefix="p-")
    assert [r.id for r in parsed.rows] == ["p-7", "p-7.5", "p-2", "p-3", "p-x"]
    assert parsed.numbered == 2


def test_doubled_ids() -> None:
    rows = [{"id": i, "messages": chat(f"q{n}", "a")} for n, i in enumerate("aabca")]
    with pytest.raises(BabelmixError, match=r"1 id\(s\) occur more than once: a.*duplicate_ids"):
        parse("messages", rows)
    first = parse("messages", rows, duplicate_ids="keep_first")
    assert [(r.id, r.messages[0].content) for r in first.rows] == [
        ("a", "q0"),
        ("b", "q2"),
        ("c", "q3"),
    ]
    assert first.left_out == {"id occurs again (keep_first)": 2}
    rows.append({"id": "a-2", "messages": chat("q5", "a")})
    numbered = parse("messages", rows, duplicate_ids="number")
    assert [r.id for r in numbered.rows] == ["a", "a-2", "b", "c", "a-3", "a-2-2"]
    assert numbered.changed == {"ids that occur again numbered": 3}


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (">= 4", [0, 1, 2, 3]),
        ("> 4", [1]),
        ("< 4", [4]),
        ("<= 4.0", [0, 2, 3, 4]),
        ("!= 4", [1, 4, 5]),
        ("4", [0, 2, 3]),
        (4, [0, 2, 3]),
        ([4, 5], [0, 1, 2, 3]),
        ({"min": 4, "max": 4.5}, [0, 2, 3]),
        ({"max": 3}, [4]),
    ],
)
def test_conditions_on_numbers(wanted: Any, kept: list[int]) -> None:
    rows = [{"q": "q", "a": "a", "n": n} for n in (4, 5.5 - 0.5, "4", 4.0, 3, "none", None)]
    fields = {"prompt": "q", "answer": "a", "where": {"n": wanted}}
    assert [int(r.id) for r in parse("fields", rows, fields=fields).rows] == kept


def test_conditions_on_dates_and_texts() -> None:
    rows = [{"q": "q", "a": "a", "d": d} for d in ("2023-12-31", "2024-01-31", "2024-02-01")]
    fields = {"prompt": "q", "answer": "a", "where": {"d": ">= 2024-01-31"}}
    assert [r.id for r in parse("fields", rows, fields=fields).rows] == ["1", "2"]
    fields["where"] = {"d": "!= 2024-01-31"}
    assert [r.id for r in parse("fields", rows, fields=fields).rows] == ["0", "2"]


@pytest.mark.parametrize(
    "wanted",
    ["== 4", "= 4", "≥ 4", "> high", [">= 4"], "in [1, 2]", "1..5", "1 to 5", "[1, 5)", {}],
)
def test_conditions_that_nothing_could_meet(wanted: Any) -> None:
    with pytest.raises(ValidationError, match="where"):
        FieldMap.model_validate({"prompt": "q", "where": {"n": wanted}})


def test_a_condition_that_no_row_meets_says_what_is_there() -> None:
    rows = [{"q": "q", "a": "a", "n": n} for n in ("low", "low", "high")]
    fields = {"prompt": "q", "answer": "a", "where": {"n": "best"}}
    with pytest.raises(BabelmixError, match=r"n holds 'low' \(2\), 'high' \(1\)"):
        parse("fields", rows, fields=fields)


@pytest.mark.parametrize(
    ("value", "languages", "code"),
    [
        ("deu", ["de", "en"], "de"),
        ("German", ["de", "en"], "de"),
        ("arb", ["ar"], "ar"),
        ("zho", ["zh"], "zh"),
        ("cmn_Hans", ["zh", "zh-Hant"], "zh"),
        ("zh-Hant", ["zh", "zh-Hant"], "zh-Hant"),
        ("zh", ["zh-Hant"], None),
        ("pt_BR", ["pt-BR"], "pt-BR"),
        ("pt-BR", ["pt", "de"], "pt"),
        ("eng_Latn", ["en"], "en"),
        ("nob", ["nb"], "nb"),
        ("xx", ["en"], None),
        ("Klingon", ["en"], None),
        ("", ["en"], None),
    ],
)
def test_languages_by_any_code(value: str, languages: list[str], code: str | None) -> None:
    assert code_of(value, languages) == code


def test_names_of_languages_of_ones_own() -> None:
    values = {"zh-Hant": ["Traditional Chinese", "tc"]}
    assert code_of("tc", ["zh", "zh-Hant"], values) == "zh-Hant"
    with pytest.raises(ValidationError, match="goes with `language_column`"):
        Source.model_validate(
            {"adapter": "lima", "path": "x", "licence": "x", "language_values": {"en": "E"}}
        )


def test_a_column_that_names_no_language_of_ours_says_what_it_has() -> None:
    rows = [{"messages": chat("q", "a"), "l": "Elvish"}]
    with pytest.raises(BabelmixError, match=r"`language_column: l` holds Elvish \(1\)"):
        parse("messages", rows, language_column="l")


@pytest.mark.parametrize(
    "more",
    [
        {"translator": "t"},
        {"pivot": "en"},
        {"corrections": "x"},
        {"audit": {"held": "translation"}},
        {"audit": {"round_trip": True}},
    ],
)
def test_a_pool_without_translations_compares_nothing(more: dict[str, Any]) -> None:
    given = {"sources": ["s"], "languages": ["en", "de"], "parallel": False}
    with pytest.raises(ValidationError, match="says that they are no translations"):
        Dataset.model_validate(given | more)


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.json", '{"data": [{"a": 1}, {"a": 2}]}', [{"a": 1}, {"a": 2}]),
        ("b.json", '{\n "version": 1,\n "rows": [\n  {"a": 1}\n ]\n}\n', [{"a": 1}]),
        ("c.jsonl", '{"data": "x"}\n', [{"data": "x"}]),
        ("d.jsonl", '{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("e.json", '[1, [2, "]"], {"x": ","}, -3.5e1 ]', [1, [2, "]"], {"x": ","}, -35.0]),
        ("f.json", "[]", []),
        ("g.csv", "a;b\n1;2\n", [{"a": "1", "b": "2"}]),
        ("h.csv", ",a,b\n0,1,2\n", [{"a": "1", "b": "2"}]),
        ("i.tsv", "a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("j.csv", "a\n1;2\n", [{"a": "1;2"}]),
    ],
)
def test_files_of_many_forms(tmp_path: Path, name: str, text: str, rows: list[Any]) -> None:
    (tmp_path / name).write_text(text)
    assert read_rows(tmp_path / name) == rows


def test_a_long_list_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelmix.sources.readers._CHARS", 7)
    rows = [{"n": n, "text": "é]," * (n % 9)} for n in range(200)] + [12345678901]
    for indent in (None, 1):
        (tmp_path / "l.json").write_text(json.dumps(rows, indent=indent, ensure_ascii=False))
        assert read_rows(tmp_path / "l.json") == rows


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[1,\n2,\n]", "line 3"),
        ("[1,\n2 3]", "line 2|comma"),
        ("[1,\n2", "not closed|line 2"),
        ("[1]\n[2]", "more after the list"),
        ('{\n "a": 1\n}', "no list of rows under one of data"),
    ],
)
def test_broken_lists(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(BabelmixError, match=line):
        read_rows(tmp_path / "b.json")


# --- pairs by line ---------------------------------------------------------------------------

NAMES = [a + b for a in ("Ka", "Mi", "To", "Su", "Be", "Ro") for b in "lmnrstvz"]
ENGLISH = [
    f"The meeting number {n} in Berlin costs {n * 37} euros, says Mr Miller." for n in range(60)
]
GERMAN = [
    f"Das Treffen Nummer {n} in Berlin kostet {n * 37} Euro, sagt Herr Miller." for n in range(60)
]


def pair(folder: Path, german: list[str], **more: Any) -> int:
    """Normalise two files without ids; the exit status of the second language."""
    files = {}
    for lang, texts in (("en", ENGLISH), ("de", german)):
        path = folder / f"{lang}.jsonl"
        rows = [json.dumps({"instruction": t, "output": t}) + "\n" for t in texts]
        path.write_text("".join(rows))
        files[lang] = [{"path": str(path), "sha256": file_digest(path)}]
    write_json(folder / "s.json", {"source": "s", "files": files, "extra": {}})
    source = {"adapter": "alpaca", "path": "{lang}", "languages": ["en", "de"], "licence": "x"}
    for lang in ("en", "de"):
        spec = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "seed": 0, "rows": None}
        spec |= {"max_chars": None, "sources": {"s": source | more}}
        extra = ["--pivot-file", str(folder / "en.parquet")] if lang == "de" else []
        code = main(
            [
                *("normalise", *as_options(json.dumps(spec)), "--records", str(folder / "s.json")),
                *("--output", str(folder / f"{lang}.parquet"), *extra),
                *("--manifest", str(folder / f"{lang}.json")),
            ]
        )
    return code


def test_pairs_by_line_that_are_translations(tmp_path: Path) -> None:
    assert pair(tmp_path, GERMAN) == 0
    found = read_json(tmp_path / "de.json")["alignment"]["s"]
    assert (found["rows"], found["evidence"] > 20, found["warnings"]) == (60, True, [])


def test_a_lost_line_is_refused_with_its_place(tmp_path: Path, capsys: Any) -> None:
    assert pair(tmp_path, GERMAN[:30] + GERMAN[31:]) == 2
    said = capsys.readouterr().err
    assert re.search(r"60 rows and 'de' 59. From about row 3[12] on, row 3[12] of 'en' fits", said)
    assert not (tmp_path / "de.parquet").exists()
    # The same with equal numbers: one lost, one doubled later.
    assert pair(tmp_path, GERMAN[:30] + GERMAN[31:50] + [GERMAN[49], *GERMAN[50:]]) == 2
    assert re.search("From about row 3[12] on", capsys.readouterr().err)
    assert pair(tmp_path, GERMAN[:30] + GERMAN[31:] + ["x"], alignment="trust") == 0


def test_files_in_another_order_are_refused(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [f"{name} lives in house {n * 7} of Lima." for n, name in enumerate(NAMES)]
    other = [f"{name} wohnt in Haus {n * 7} von Lima." for n, name in enumerate(NAMES)]
    monkeypatch.setattr(sys.modules[__name__], "ENGLISH", ENGLISH + more)
    shuffled = [other[n] for n in np.random.default_rng(0).permutation(len(other)).tolist()]
    assert pair(tmp_path, GERMAN + other) == 0
    assert pair(tmp_path, GERMAN + shuffled) == 2
    found = re.search(r"from about row (\d+) on many rows", capsys.readouterr().err)
    assert found is not None
    assert 55 <= int(found[1]) <= 66
    assert pair(tmp_path, shuffled + GERMAN) == 2
    assert "nothing shows that" in capsys.readouterr().err


def test_few_rows_that_show_nothing_are_warned_of(tmp_path: Path) -> None:
    assert pair(tmp_path, [f"{'ja' * (n * 7 % 5 + 3)}" for n in range(60)]) == 0
    (warning,) = read_json(tmp_path / "de.json")["warnings"]
    assert "are too few, or have too little in common" in warning


# --- memory ----------------------------------------------------------------------------------


def test_a_draw_of_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """One row group of 64 MB that does not compress; the peak of a process with all its imports."""
    letters = np.frombuffer(bytes(range(33, 97)), np.uint8)
    random = np.random.default_rng(0)
    texts = [letters[random.integers(0, 64, 2000)].tobytes().decode() for _ in range(42_000)]
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    turns = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": t}] for t in texts]
    table = pa.table({"messages": pa.array(turns, kind), "other": texts})
    pq.write_table(table, tmp_path / "s.parquet", row_group_size=1 << 20)
    del texts, turns, table
    assert (tmp_path / "s.parquet").stat().st_size > 64e6
    part = {"path": str(tmp_path / "s.parquet"), "sha256": file_digest(tmp_path / "s.parquet")}
    write_json(tmp_path / "s.json", {"source": "s", "files": {"*": [part]}, "extra": {}})
    source = {"adapter": "messages", "path": "x", "licence": "x"}
    spec = {"version": 1, "dataset": "d", "lang": "en", "pivot": "en", "seed": 0, "rows": 1000}
    spec |= {"max_chars": None, "sources": {"s": source}}
    script = (
        "import resource, sys; from babelmix.cli import main; code = main(sys.argv[1:]); "
        "print(code, next(int(line.split()[1]) // 1024 for line in open('/proc/self/status') "
        "if line.startswith('VmHWM')))"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-c", script, "normalise", *as_options(json.dumps(spec))),
            *("--records", str(tmp_path / "s.json"), "--output", str(tmp_path / "o.parquet")),
            *("--manifest", str(tmp_path / "o.json")),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    code, peak = done.stdout.splitlines()[-1].split()
    assert (code, int(peak) <= 300) == ("0", True), peak
    assert read_table(tmp_path / "o.parquet").num_rows == 1000


def test_the_audit_looks_past_tools() -> None:
    """A call that is the same in both languages is neither untranslated nor in the wrong one."""
    from babelmix.specs import CollectSpec
    from babelmix.translate.collect import audit_rows

    spec = CollectSpec(
        version=1, dataset="d", lang="de", pivot="en", on_failed_check="keep", as_translation=True
    )
    call = '<tool_call>\n{"name": "find the cheapest hotel in the whole town for me"}\n</tool_call>'
    said = {
        "en": ("Where can I sleep cheaply tonight?", "The cheapest hotel is near the station."),
        "de": ("Wo kann ich heute Nacht billig schlafen?", "Das billigste Hotel ist am Bahnhof."),
    }
    rows = {
        lang: Conversation(
            "i",
            lang,
            "d",
            "s",
            [
                Message("user", asked),
                Message("assistant", call),
                Message("tool", "There is a very cheap hotel near the station of this town."),
                Message("assistant", answered),
            ],
        )
        for lang, (asked, answered) in said.items()
    }
    audit_rows([rows["en"]], [rows["de"]], spec)
    assert [check.name for check in rows["de"].checks if not check.ok] == []
