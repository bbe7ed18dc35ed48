"""Rows through backends: once each, resumed, counted; and the verbs around it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.options import as_options

from babelmix.cli import main
from babelmix.errors import BabelmixError
from babelmix.io import Journal, read_json, read_records, write_records
from babelmix.records import Conversation, Message
from babelmix.specs import CollectSpec, TranslateSpec
from babelmix.translate import shard
from babelmix.translate.backends.base import Failure, Limits, Result
from babelmix.translate.collect import audit_report, audit_rows, collect
from babelmix.translate.cost import estimate
from babelmix.translate.engine import in_shard, plan_rows, translate_rows, unique_texts
from babelmix.translate.store import Translations


class Fake:
    """Marks every word; keeps masks unless told to lose them; fails on texts that hold `bad`."""

    unit = "line"
    journalled = True
    by_length = False
    batch_dependent = False

    def __init__(self, batch_size: int = 2, concurrency: int = 1, lose: bool = False) -> None:
        self.settings: dict[str, Any] = {"backend": "fake", "lose": lose}
        self.limits = Limits(batch_texts=batch_size)
        self.concurrency, self.lose = concurrency, lose
        self.asked: list[str] = []
        self.stop_after: int | None = None

    def translate(self, texts: list[str]) -> list[Result]:
        if self.stop_after is not None and len(self.asked) >= self.stop_after:
            raise BabelmixError("quota used up")
        self.asked += texts
        return [Failure("bad word") if "bad" in t else self._one(t) for t in texts]

    def _one(self, text: str) -> str:
        words = text.replace("XQ1X", "lost") if self.lose else text
        return " ".join(w if w.startswith("XQ") else f"{w}~" for w in words.split())


def row(row_id: str, *texts: str) -> Conversation:
    roles = ["user", "assistant"] * len(texts)
    messages = [Message(r, t) for r, t in zip(roles, texts, strict=False)]
    return Conversation(row_id, "en", "d", "s", messages)


def translate(backend: Any, rows: list[Conversation], path: Path | None = None) -> Any:
    journal = Journal(path) if path is not None else None
    translations = Translations(backend, "en", "de", journal)
    try:
        plans = plan_rows(rows, backend, "en")
        return translate_rows(rows, plans, translations, "t"), translations
    finally:
        if journal is not None:
            journal.close()


def test_rows_are_put_together_again() -> None:
    made, _ = translate(Fake(), [row("a", "Say `hi` now:\n\n- one two", "```\nx = 1\n```\nDone")])
    assert [m.content for m in made[0].messages] == [
        "Say~ `hi` now:~\n\n- one~ two~",
        "```\nx = 1\n```\nDone~",
    ]
    assert (made[0].lang, made[0].origin, made[0].translator) == ("de", "translated", "t")
    assert made[0].checks[0].name == "translated"
    assert made[0].checks[0].ok
    assert len(made[0].source_sha) == 64


def test_equal_segments_are_asked_once() -> None:
    backend = Fake()
    rows = [row("a", "Hello\nHello", "Bye"), row("b", "Bye", "Hello")]
    translate(backend, rows)
    assert sorted(backend.asked) == ["Bye", "Hello"]
    assert list(unique_texts(plan_rows(rows, backend, "en"))) == ["Hello", "Bye"]


def test_lost_masks_are_mended_by_translating_around_them() -> None:
    backend = Fake(lose=True)
    made, _ = translate(backend, [row("a", "Use `x` to stop `y`.", "`z` ends it")])
    assert [m.content for m in made[0].messages] == ["Use~ `x` to~ stop~ `y`.", "`z` ends~ it~"]
    assert made[0].checks[0].ok
    assert sorted(backend.asked) == [
        "Use",
        "Use XQ1X to stop XQ2X.",
        "XQ1X ends it",
        "ends it",
        "to stop",
    ]


def test_a_failed_part_keeps_the_source_row() -> None:
    made, translations = translate(
        Fake(), [row("a", "Good\nbad", "bad too"), row("b", "Good", "x")]
    )
    assert [m.content for m in made[0].messages] == ["Good\nbad", "bad too"]
    check = made[0].checks[0]
    assert (check.name, check.ok, check.value, check.detail) == (
        "translated",
        False,
        2.0,
        "bad word",
    )
    assert made[1].checks[0].ok
    assert len(made[0].checks) == 1
    assert translations.results["bad"] == Failure("bad word")


def test_nothing_finished_is_redone_and_failures_are_tried_again(tmp_path: Path) -> None:
    rows = [row("a", "one", "two"), row("b", "three", "bad")]
    first, again = Fake(), Fake()
    made, _ = translate(first, rows, tmp_path / "j.jsonl")
    remade, translations = translate(again, rows, tmp_path / "j.jsonl")
    assert remade == made
    assert again.asked == ["bad"]
    assert (translations.reused, translations.sent_chars) == (3, 3)


def test_what_is_done_when_the_backend_stops_is_kept(tmp_path: Path) -> None:
    rows = [row(str(n), f"text {n}", f"answer {n}") for n in range(5)]
    stopping, going_on = Fake(), Fake()
    stopping.stop_after = 4
    with pytest.raises(BabelmixError, match="quota"):
        translate(stopping, rows, tmp_path / "j.jsonl")
    translate(going_on, rows, tmp_path / "j.jsonl")
    assert len(stopping.asked) == 4
    assert len(going_on.asked) == 6


def test_batches_that_depend_on_their_texts_are_redone_whole(tmp_path: Path) -> None:
    rows = [row(str(n), f"text {n}", f"answer {n}") for n in range(4)]
    stopping, going_on, more = Fake(batch_size=3), Fake(batch_size=3), Fake(batch_size=3)
    stopping.stop_after = 3
    for backend in (stopping, going_on, more):
        backend.batch_dependent = True
    with pytest.raises(BabelmixError, match="quota"):
        translate(stopping, rows, tmp_path / "j.jsonl")
    made, _ = translate(going_on, rows, tmp_path / "j.jsonl")
    assert (len(stopping.asked), len(going_on.asked)) == (3, 5)
    with Journal(tmp_path / "j.jsonl") as journal:
        store = Translations(going_on, "en", "de", journal)
        texts = list(unique_texts(plan_rows(rows, going_on, "en")))
        assert store.missing(texts) == []
        assert store.missing(texts[1:]) == texts[1:], "cut into other batches"
        assert store.missing([*texts, "new"]) == [*texts[-2:], "new"]
    # Another row changes the second and third batch, not the first.
    translate(more, [*rows[:2], row("x", "new", "newer"), *rows[2:]], tmp_path / "j.jsonl")
    assert len(more.asked) == 7
    assert made == translate(Fake(), rows)[0]


def test_other_settings_or_languages_reuse_nothing(tmp_path: Path) -> None:
    keys = {
        Translations(Fake(lose=lose), "en", lang, None).keys(["x"])[0]
        for lose in (0, 1)
        for lang in "ab"
    }
    assert len(keys) == 4


def test_threads_give_the_same_rows(tmp_path: Path) -> None:
    rows = [row(str(n), f"text {n} `c`", "same answer") for n in range(40)]
    plain, _ = translate(Fake(), rows)
    threaded, _ = translate(Fake(batch_size=1, concurrency=6), rows, tmp_path / "j.jsonl")
    assert threaded == plain
    assert len((tmp_path / "j.jsonl").read_text().splitlines()) == 41


def test_threads_stop_together_and_keep_what_is_done(tmp_path: Path) -> None:
    rows = [row(str(n), f"text {n}", f"answer {n}") for n in range(20)]
    backend = Fake(batch_size=1, concurrency=4)
    backend.stop_after = 10
    with pytest.raises(BabelmixError, match="quota"):
        translate(backend, rows, tmp_path / "j.jsonl")
    kept = (tmp_path / "j.jsonl").read_text().splitlines()
    assert len(kept) == len(backend.asked) < 40


@settings(deadline=None)
@given(st.sets(st.text(max_size=8), max_size=30), st.integers(1, 7))
def test_every_row_is_in_one_shard(ids: set[str], shards: int) -> None:
    for row_id in ids:
        assert sum(in_shard(row_id, n, shards) for n in range(shards)) == 1


def test_estimate() -> None:
    translator = translate_spec().translator
    assert estimate(translator, 2_000_000, 10).dollars == 50.0


def translate_spec(**more: Any) -> TranslateSpec:
    given = {"version": 1, "dataset": "d", "lang": "de", "pivot": "en", "shard": 0, "shards": 1}
    translator = {"backend": "identity", "price_per_million_chars": 25}
    given |= {"translator_name": "t", "translator": translator}
    return TranslateSpec.model_validate(given | more)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    backend = Fake(batch_size=3)
    monkeypatch.setattr(shard, "make_backend", lambda spec, budget: backend)
    return backend


def test_the_verbs(tmp_path: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    pivot = tmp_path / "d.en.parquet"
    rows = [row(f"r{n}", f"text {n}", "bad" if n == 3 else "answer") for n in range(8)]
    write_records(pivot, rows, Conversation)
    shards, manifests = [], []
    for number in range(3):
        given = translate_spec(shard=number, shards=3).model_dump_json()
        shards.append(str(tmp_path / f"{number}.parquet"))
        options = ["--input", str(pivot), "--journal", str(tmp_path / f"j{number}.jsonl")]
        options += ["--output", shards[-1], "--manifest", str(tmp_path / f"{number}.json")]
        assert main(["translate", *as_options(given), *options]) == 0
        manifests.append(read_json(tmp_path / f"{number}.json"))
    assert "translate d.de shard 1/3: " in capsys.readouterr().out
    assert sum(m["rows_in"] for m in manifests) == sum(m["rows_out"] for m in manifests) == 8
    reasons = [m["failed_by_reason"] for m in manifests if m["failed_by_reason"]]
    assert reasons == [{"bad word": 1}]
    assert sum(m["cost"] for m in manifests) == pytest.approx(
        25e-6 * sum(m["characters"] for m in manifests)
    )
    spec = CollectSpec(version=1, dataset="d", lang="de", pivot="en", on_failed_check="keep")
    options = ["--pivot", str(pivot), "--output", str(tmp_path / "d.de.parquet")]
    options += ["--audit", str(tmp_path / "audit.json"), "--shards", *shards[::-1]]
    assert main(["collect", *as_options(spec.model_dump_json()), *options]) == 0
    made = read_records(tmp_path / "d.de.parquet", Conversation)
    assert [r.id for r in made] == [r.id for r in rows]
    report = read_json(tmp_path / "audit.json")
    assert report["rows"] == report["passed"] + report["failed"] == 8
    assert report["failed_by_check"]["translated"] == 1
    assert report["examples"]["translated"] == [{"id": "r3", "detail": "bad word"}]


def test_a_finished_shard_is_byte_equal_on_the_next_run(tmp_path: Path, fake: Fake) -> None:
    pivot = tmp_path / "d.en.parquet"
    write_records(pivot, [row("a", "one", "two")], Conversation)
    options = ["--input", str(pivot), "--journal", str(tmp_path / "j"), "--manifest"]
    options += [str(tmp_path / "m"), "--output", str(tmp_path / "o")]
    seen = []
    for _ in range(2):
        assert main(["translate", *as_options(translate_spec().model_dump_json()), *options]) == 0
        seen.append((tmp_path / "o").read_bytes())
    assert seen[0] == seen[1]
    assert read_json(tmp_path / "m")["reused"] == 2
    assert fake.asked == ["one", "two"]


def test_the_pivot_file_must_hold_the_pivot(
    tmp_path: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(tmp_path / "x", [row("a", "one", "two")], Conversation)
    given = translate_spec(pivot="fr").model_dump_json()
    options = ["--input", str(tmp_path / "x"), "--journal", "j", "--output", "o", "--manifest", "m"]
    assert main(["translate", *as_options(given), *options]) == 2
    assert "holds 'en', not the pivot 'fr'" in capsys.readouterr().err


def test_collect_refuses_lost_doubled_and_foreign_rows() -> None:
    spec = CollectSpec(version=1, dataset="d", lang="en", pivot="en", on_failed_check="keep")
    a, b = row("a", "x"), row("b", "x")
    assert collect([a, b], [b, a], spec) == [a, b]
    with pytest.raises(BabelmixError, match="1 rows for 2 of the pivot; 1 ids differ: b"):
        collect([a, b], [a], spec)
    with pytest.raises(BabelmixError, match="ids in several shards: a"):
        collect([a, b], [a, b, a], spec)
    with pytest.raises(BabelmixError, match="hold \\['en'\\], not 'de'"):
        collect([a], [a], spec.model_copy(update={"lang": "de"}))
    assert audit_report([a], spec)["passed"] == 1


def test_identity_fails_only_where_it_should(tmp_path: Path) -> None:
    rows = [row("a", "This is a long sentence that everybody should translate at once.", "ok")]
    made, manifest = shard.translate_shard(rows, translate_spec(), str(tmp_path / "j"))
    spec = CollectSpec(version=1, dataset="d", lang="de", pivot="en", on_failed_check="keep")
    audit_rows(rows, made, spec)
    assert {c.name for c in made[0].checks if not c.ok} == {"language", "untranslated"}
    assert not (tmp_path / "j").exists()
    assert manifest["passed"] == 1
    assert json.dumps(manifest)
