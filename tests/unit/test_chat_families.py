"""Chat templates of published model families: own, study1 and chatml, each trained on and stopping.

The table in docs/chat-templates.md is made from these (see the last test).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import family_templates
import pytest
import tiny_model
from family_templates import EVERY, FAMILIES, Family

from babelmix.config.training import Model
from babelmix.errors import BabelmixError
from babelmix.io import read_json
from babelmix.resources import ROOT
from babelmix.train.chat import IGNORED, PROBES, Formatter
from babelmix.train.prepare import prepare_model

NAMES = [family.name for family in FAMILIES]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("base"))


def prepared(base: Path, out: Path, family: Family, **settings: Any) -> tuple[Formatter, Any]:
    """The family's prepared model: its formatter and its record."""
    (out / "source").mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (out / "source" / name).symlink_to(base / name)
    family_templates.tokenizer(family).save_pretrained(out / "source")
    record = prepare_model("m", Model(path=str(out / "source"), **settings), out / "m")
    return Formatter.load(out / "m"), record


def trained(form: Formatter, chat: Any) -> list[str]:
    """Texts of the trained runs of tokens."""
    encoded = form.encode(chat)
    assert encoded.note == ""
    runs: list[list[int]] = [[]]
    for label in encoded.labels:
        if label != IGNORED:
            runs[-1].append(label)
        elif runs[-1]:
            runs.append([])
    return [form._backend.decode(run, skip_special_tokens=False).strip() for run in runs if run]


def check(form: Formatter, record: Any, shapes: tuple[str, ...], end: str) -> None:
    """Exactly the answers are trained, in these shapes alone, and all their ends stop."""
    assert record["end_of_turn"] == end
    stops = set(record["end_of_turn_ids"])
    for name, chat in PROBES.items():
        assert (name in record["template_refuses"]) == (name not in shapes), name
        if name not in shapes:
            continue
        encoded = form.encode(chat)
        last = [
            a
            for a, b in zip(encoded.labels, [*encoded.labels[1:], IGNORED], strict=True)
            if a != IGNORED and b == IGNORED
        ]
        assert set(last) <= stops
        words = [form._backend.id_to_token(token) for token in last]
        answers = [m["content"] for m in chat if m["role"] == "assistant"]
        pairs = zip(answers, words, strict=True)
        assert [text.replace(" ", "") for text in trained(form, chat)] == [a + w for a, w in pairs]
        assert form._backend.token_to_id(end) in last
        # What generation will see is what stood before the answer in training.
        prompt = form.tokens(form.render(chat[:-1], prompt=True))
        assert encoded.input_ids[: len(prompt)] == prompt


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_own_template(family: Family, base: Path, tmp_path: Path) -> None:
    if family.refused:
        with pytest.raises(BabelmixError, match=family.refused) as caught:
            prepared(base, tmp_path, family)
        assert "study1" in str(caught.value)
        return
    if family.arguments:
        with pytest.raises(BabelmixError, match=r"template_args: \{\"enable_thinking\": false\}"):
            prepared(base, tmp_path / "without", family)
    form, record = prepared(base, tmp_path, family, template_args=family.arguments)
    assert len(record["template_changes"]) == family.changes
    check(form, record, family.trains, family.end)
    stops = read_json(tmp_path / "m" / "generation_config.json")["eos_token_id"]
    assert set(record["end_of_turn_ids"]) <= set(stops)


@pytest.mark.parametrize("template", ["study1", "chatml"])
@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_our_templates(family: Family, template: str, base: Path, tmp_path: Path) -> None:
    form, record = prepared(base, tmp_path, family, chat_template=template)
    check(form, record, EVERY, "<|im_end|>" if template == "chatml" else family.eos)
    if template == "chatml":  # the bos token once where the model is used to it, else not at all
        ids = form.encode(PROBES["one exchange"]).input_ids
        bos = form._backend.token_to_id(family.bos) if family.bos else None
        wanted = 1 if family.adds_bos and family.bos else 0
        assert ids[: 1 + wanted].count(bos) == wanted or family.bos == "<|im_start|>"
        assert form._backend.decode(ids, skip_special_tokens=False).count("<s>") <= 1


def test_the_documentation_has_the_table() -> None:
    text = (ROOT / "docs" / "chat-templates.md").read_text(encoding="utf-8")
    assert family_templates.table() in text
