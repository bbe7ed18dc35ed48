"""Templates are complete in themselves: arguments, the date, patches, and the record of it all."""

from __future__ import annotations

import copy
import datetime
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from babelmix.config.training import Model
from babelmix.errors import BabelmixError
from babelmix.io import read_json, write_json
from babelmix.train import tokenise
from babelmix.train.chat import PROBES, Formatter
from babelmix.train.prepare import prepare_model
from babelmix.train.templates import fix_template, rendered_digest

DAY = date(2024, 7, 26)
#: As Llama-3.2 has it: the clock is read where the caller gives no date.
DATED = (
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = 'x' %}"
    "{%- endif %}{%- endif %}{{- 'Today: ' + date_string + '\n' }}"
    "{%- for m in messages %}{{- '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"
)


def formatter(template: str) -> Formatter:
    """The tiny tokenizer with a template."""
    tokenizer = copy.deepcopy(tiny_model.tokenizer())
    tokenizer.chat_template = template
    return Formatter(tokenizer)


class Tomorrow(datetime.datetime):
    """A clock that is years ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime.datetime:
        return datetime.datetime(2031, 5, 17, 12)


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let templates read another day from the clock."""
    from transformers.utils import chat_template_utils as module

    monkeypatch.setattr(module, "datetime", Tomorrow)
    module._compile_jinja_template.cache_clear()


def test_without_a_fixed_date_the_ids_change_from_day_to_day(tomorrow: None) -> None:
    assert "17 May 2031" in formatter(DATED).render(PROBES["one exchange"])


def test_two_days_give_the_same_ids(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    base = tiny_model.build(tmp_path / "base", DATED)
    record = prepare_model("m", Model(path=str(base)), tmp_path / "m")
    chat = tiny_model.chat(3, 3)
    today = Formatter.load(tmp_path / "m").encode(chat)
    request.getfixturevalue("tomorrow")
    form = Formatter.load(tmp_path / "m")
    assert form.encode(chat).input_ids == today.input_ids
    assert "Today: 26 Jul 2024\n" in form.render(chat)
    assert record["rendered_digest"] == rendered_digest(form)
    again = prepare_model("m", Model(path=str(base)), tmp_path / "again")
    assert again["files"] == record["files"]


def test_the_date_is_a_setting_and_a_caller_may_give_another(tmp_path: Path) -> None:
    base = tiny_model.build(tmp_path / "base", DATED)
    model = Model(path=str(base), template_date=date(2026, 1, 2))
    other = prepare_model("m", model, tmp_path / "m")
    assert (
        other["rendered_digest"]
        != (prepare_model("m", Model(path=str(base)), tmp_path / "n")["rendered_digest"])
    )
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    chat = [*PROBES["one exchange"]]
    assert "Today: 02 Jan 2026" in tokenizer.apply_chat_template(chat, tokenize=False)
    given = tokenizer.apply_chat_template(chat, tokenize=False, date_string="my day")
    assert "Today: my day" in given


@pytest.mark.parametrize(
    "call",
    ["strftime_now(form)", "clock(strftime_now)", "strftime_now"],
)
def test_a_date_that_cannot_be_fixed_is_refused(call: str) -> None:
    with pytest.raises(BabelmixError, match="cannot be fixed"):
        fix_template("{% set form = '%Y' %}{{ " + call + " }}", {}, DAY, "models.m")


def test_a_template_without_arguments_and_date_stays_as_it_is() -> None:
    own = tiny_model.tokenizer().chat_template
    assert fix_template(own, {}, DAY, "models.m") == own


@pytest.mark.parametrize(
    "value",
    [False, None, 3, 0.5, "a 'quoted' \"text\" %} {{ x }} é\n", ["a", None], {"k": [1]}],
)
def test_an_argument_is_written_as_its_value(value: Any) -> None:
    own = "\n{{ given | tojson }}|{{ given is string }}|{{ messages[0]['content'] }}"
    form = formatter(fix_template(own, {"given": value}, DAY, "models.m"))
    plain = formatter(own)
    plain._names["given"] = value
    assert form.render(PROBES["one exchange"]) == plain.render(PROBES["one exchange"])


def test_an_argument_that_the_template_does_not_read_is_refused() -> None:
    with pytest.raises(BabelmixError, match=r"enable_thinkin.*Did you mean 'enable_thinking'"):
        fix_template("{{ enable_thinking }}", {"enable_thinkin": False}, DAY, "models.m")
    with pytest.raises(ValueError, match="ours take none"):
        Model(repo="a/b", chat_template="chatml", template_args={"enable_thinking": False})


def test_a_broken_template_is_told_of() -> None:
    with pytest.raises(BabelmixError, match="cannot be read"):
        fix_template("{% if %}", {}, DAY, "models.m")


def test_a_folder_that_renders_otherwise_now_is_an_error(tmp_path: Path) -> None:
    base = tiny_model.build(tmp_path / "base")
    prepare_model("m", Model(path=str(base)), tmp_path / "m")
    file = tmp_path / "m" / "chat_template.jinja"
    file.write_text(file.read_text().replace("<|end|>", "<|end|>\n"))
    with pytest.raises(BabelmixError, match="writes something else"):
        Formatter.load(tmp_path / "m")
    (tmp_path / "m" / "babelmix.json").unlink()  # as an earlier release left it
    Formatter.load(tmp_path / "m")


def test_manifests_tell_a_change_of_any_id() -> None:
    rows = [Formatter(tiny_model.tokenizer()).encode(tiny_model.chat(i)) for i in range(3)]
    before = tokenise.summarise(rows, 3)["tokens_digest"]
    assert tokenise.summarise(rows, 3)["tokens_digest"] == before
    rows[1].input_ids[4] += 1
    assert tokenise.summarise(rows, 3)["tokens_digest"] != before


def test_what_was_prepared_is_noted(tmp_path: Path) -> None:
    base = tiny_model.build(tmp_path / "base")
    prepare_model("m", Model(path=str(base)), tmp_path / "m")
    note = read_json(tmp_path / "m" / "babelmix.json")
    assert note["template_changes"] == []
    assert note["template_args"] == {}
    assert note["trainable_tokens"] == []
    write_json(tmp_path / "m" / "babelmix.json", note | {"rendered_digest": "0"})
    with pytest.raises(BabelmixError, match="prepare-model"):
        Formatter.load(tmp_path / "m")


@pytest.mark.parametrize("turns", [4, 32])
def test_a_conversation_costs_a_rendering_for_each_turn(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = formatter("{{ bos_token }}" + DATED)
    rendered: list[int] = []
    encoded: list[int] = []
    render, backend = form.render, form._backend

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(backend, name)

        def encode(self, text: str, **settings: Any) -> Any:
            encoded.append(len(text))
            return backend.encode(text, **settings)

    def counting(messages: Any, *, prompt: bool = False) -> str:
        rendered.append(len(messages))
        return render(messages, prompt=prompt)

    form.encode(PROBES["one exchange"])  # what is found out once
    monkeypatch.setattr(form, "render", counting)
    monkeypatch.setattr(form, "_backend", Counting())
    chat = tiny_model.chat(1, turns)
    whole = form.encode(chat)
    assert whole.note == ""
    assert len(rendered) == turns + 1
    assert len(encoded) == turns + 1
    text = render(chat)
    assert sum(encoded) < 2 * len(text)
    rendered.clear()
    encoded.clear()
    cut = form.encode(chat, len(whole.input_ids) // 2)
    assert cut.note == "cut: turns"
    assert len(rendered) <= turns + 3
    assert sum(encoded) < 4 * len(text)
