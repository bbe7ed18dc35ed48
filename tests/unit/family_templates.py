"""The shapes of published chat templates, written for these tests: which roles they take, what they
write before and after a turn, what they do to earlier turns, to spaces and to the date.

Facts of the templates as published up to November 2026, none of their text.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import tiny_model
from tokenizers import AddedToken

#: Loop heads that many of them share.
_ALTERNATE = (
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/…') }}{% endif %}"
)
_SPLIT = (
    "{% if messages[0]['role'] == 'system' %}{% set sys = messages[0]['content'] %}"
    "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}"
)
ALL = ("one exchange", "several exchanges", "a system prompt")
EVERY = (*ALL, "a system prompt and several exchanges")
SINGLE = ("one exchange", "several exchanges")


@dataclass(frozen=True)
class Family:
    """A template's shape, the tokens it needs, and what this package makes of it."""

    name: str
    template: str | dict[str, str]
    #: Special tokens of the vocabulary beside bos, eos and pad.
    tokens: tuple[str, ...] = ()
    bos: str | None = "<s>"
    eos: str = "</s>"
    #: Whether the tokenizer puts the bos token before every text.
    adds_bos: bool = True
    rstrip: bool = False
    #: Arguments without which it is refused.
    arguments: dict[str, Any] = field(default_factory=dict)
    #: Shapes of conversations that train with the own template, and the patches that takes.
    trains: tuple[str, ...] = EVERY
    changes: int = 0
    end: str = "</s>"
    #: A word of the reason where it does not train at all; in the table's words.
    refused: str = ""
    why: str = ""

    @property
    def changed(self) -> str:
        """What prepare-model changes in the template, in the table's words."""
        if not self.changes:
            return ""
        return "empty block kept" if self.arguments else "system prompt first"


def _chatml(head: str = "", prompt: str = "", content: str = "m['content']") -> str:
    return (
        head + "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + " + content + " + "
        "'<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|im_start|>assistant\n' }}" + prompt + "{% endif %}"
    )


def _default_system(text: str) -> str:
    return (
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n" + text + "<|im_end|>\n' "
        "}}{% endif %}"
    )


def _llama(head: str) -> str:
    return (
        "{{ bos_token }}" + head + "{% for m in rest %}{{ '<|start_header_id|>' + m['role'] + "
        "'<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
        "{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    )


def _dated(clock: str) -> str:
    return (
        "{% if not date_string is defined %}" + clock + "{% endif %}" + _SPLIT + "{{ "
        "'<|start_header_id|>system<|end_header_id|>\n\nToday: ' + date_string + '\n\n' }}"
        "{% if sys is defined %}{{ sys | trim }}{% endif %}{{ '<|eot_id|>' }}"
    )


_QWEN_LOOP = (
    "{%- set ns = namespace(open=true, last_query_index=messages | length - 1) %}"
    "{%- for m in messages[::-1] %}{%- if ns.open and m.role == 'user' %}{%- set ns.open = false %}"
    "{%- set ns.last_query_index = (messages | length - 1) - loop.index0 %}{%- endif %}"
    "{%- endfor %}"
)


def _qwen(condition: str, inner: str, prompt: str) -> str:
    """Qwen3 and later: only answers after the last question keep their thinking block."""
    block = "'<think>\\n' + reasoning_content + '\\n</think>\\n\\n' + m.content"
    shown = "{{- " + block + " }}"
    if inner:
        shown = "{%- if " + inner + " %}" + shown + "{%- else %}{{- m.content }}{%- endif %}"
    return (
        _QWEN_LOOP + "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}"
        "{%- if m.role == 'assistant' %}{%- set reasoning_content = '' %}"
        "{%- if " + condition + " %}" + shown + "{%- else %}{{- m.content }}{%- endif %}"
        "{%- else %}{{- m.content }}{%- endif %}{{- '<|im_end|>\\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}" + prompt + "{%- endif %}"
    )


_EMPTY = "{{- '<think>\\n\\n</think>\\n\\n' }}"
_CHATML = ("<|im_start|>", "<|im_end|>")
_LLAMA = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_INST = ("[INST]", "[/INST]")

FAMILIES = (
    Family(
        "Llama-2 chat",
        _SPLIT + "{% for m in rest %}" + _ALTERNATE + "{% if m['role'] == 'user' %}{{ bos_token + "
        "'[INST] ' + ('<<SYS>>\n' + sys + '\n<</SYS>>\n\n' if loop.first and sys is defined else "
        "'') + m['content'] | trim + ' [/INST]' }}{% else %}{{ ' ' + m['content'] | trim + ' ' + "
        "eos_token }}{% endif %}{% endfor %}",
    ),
    Family(
        "Llama-3",
        _llama("{% set rest = messages %}"),
        _LLAMA,
        bos="<|begin_of_text|>",
        end="<|eot_id|>",
    ),
    Family(
        "Llama-3.2",
        _llama(_dated("{% set date_string = strftime_now('%d %b %Y') %}")),
        _LLAMA,
        bos="<|begin_of_text|>",
        end="<|eot_id|>",
    ),
    Family(
        "Mistral 7B v0.2",
        "{{ bos_token }}{% for m in messages %}" + _ALTERNATE + "{% if m['role'] == 'user' %}"
        "{{ ' [INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ ' ' + m['content'] + eos_token "
        "}}{% endif %}{% endfor %}",
        trains=SINGLE,
    ),
    Family(
        "Mistral 7B v0.3, Nemo",
        "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] "
        "%}{%- set rest = messages[1:] %}{%- else %}{%- set rest = messages %}{%- endif %}"
        "{{- bos_token }}{%- for m in rest %}" + _ALTERNATE + "{%- if m['role'] == 'user' %}"
        "{%- if loop.last and system_message is defined %}{{- '[INST] ' + system_message + "
        "'\\n\\n' + m['content'] + '[/INST]' }}{%- else %}{{- '[INST] ' + m['content'] + '[/INST]' "
        "}}{%- endif %}{%- else %}{{- ' ' + m['content'] | trim + eos_token }}{%- endif %}"
        "{%- endfor %}",
        _INST,
        changes=1,
    ),
    Family(
        "Mistral Small 3",
        "{%- set today = strftime_now('%Y-%m-%d') %}{{- bos_token }}" + _SPLIT + "{{- "
        "'[SYSTEM_PROMPT]' + (sys if sys is defined else 'The date is ' + today + '.') + "
        "'[/SYSTEM_PROMPT]' }}{%- for m in rest %}{%- if m['role'] == 'user' %}{{- '[INST]' + "
        "m['content'] + '[/INST]' }}{%- else %}{{- m['content'] + eos_token }}{%- endif %}"
        "{%- endfor %}",
        (*_INST, "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    ),
    Family(
        "Qwen2.5",
        _chatml(_default_system("You are an assistant.")),
        _CHATML,
        bos=None,
        eos="<|im_end|>",
        adds_bos=False,
        end="<|im_end|>",
    ),
    Family(
        "Qwen3",
        _qwen(
            "loop.index0 > ns.last_query_index",
            "loop.last or (not loop.last and reasoning_content)",
            "{%- if enable_thinking is defined and enable_thinking is false %}"
            + _EMPTY
            + "{%- endif %}",
        ),
        _CHATML,
        bos=None,
        eos="<|im_end|>",
        adds_bos=False,
        arguments={"enable_thinking": False},
        changes=1,
        end="<|im_end|>",
    ),
    Family(
        "Qwen3.5, Qwen3.6",
        _qwen(
            "(preserve_thinking is defined and preserve_thinking is true) or "
            "(loop.index0 > ns.last_query_index)",
            "",
            "{%- if enable_thinking is defined and enable_thinking is false %}"
            + _EMPTY
            + "{%- else %}{{- '<think>\\n' }}{%- endif %}",
        ),
        _CHATML,
        bos=None,
        eos="<|im_end|>",
        adds_bos=False,
        arguments={"enable_thinking": False},
        changes=1,
        end="<|im_end|>",
    ),
    Family(
        "Gemma-2",
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}"
        + _ALTERNATE
        + "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' + "
        "m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<start_of_turn>model\n' }}{% endif %}",
        ("<start_of_turn>", "<end_of_turn>"),
        trains=SINGLE,
        end="<end_of_turn>",
    ),
    Family(
        "Gemma-3",
        _SPLIT + "{{ bos_token }}{% for m in rest %}" + _ALTERNATE + "{{ '<start_of_turn>' + "
        "('model' if m['role'] == 'assistant' else m['role']) + '\n' + (sys + '\n\n' if loop.first "
        "and sys is defined else '') + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        ("<start_of_turn>", "<end_of_turn>"),
        end="<end_of_turn>",
    ),
    Family(
        "Phi-3, Phi-3.5",
        "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}"
        "{{ eos_token }}{% endif %}",
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        adds_bos=False,
        rstrip=True,
        end="<|end|>",
    ),
    Family(
        "Phi-4",
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '<|im_sep|>' + m['content'] + "
        "'<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}",
        (*_CHATML, "<|im_sep|>"),
        bos="</s>",
        adds_bos=False,
        end="<|im_end|>",
    ),
    Family(
        "SmolLM2",
        _chatml(_default_system("You are SmolLM.")),
        _CHATML,
        bos="<|im_start|>",
        eos="<|im_end|>",
        adds_bos=False,
        end="<|im_end|>",
    ),
    Family(
        "SmolLM3",
        "{%- if enable_thinking is not defined %}{%- set enable_thinking = true %}{%- endif %}"
        "{%- set block = '' if enable_thinking else '<think>\\n\\n</think>\\n\\n' %}"
        + _SPLIT
        + "{{- "
        "'<|im_start|>system\\nToday Date: ' + strftime_now('%d %B %Y') + '\\n\\n' }}"
        "{%- if sys is defined %}{{- sys }}{%- endif %}{{- '<|im_end|>\\n' }}{%- for m in rest %}"
        "{%- if m.role == 'user' %}{{- '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}"
        "{%- else %}{%- generation %}{{- '<|im_start|>assistant\\n' + block + m.content + "
        "'<|im_end|>\\n' }}{%- endgeneration %}{%- endif %}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' + block }}{%- endif %}",
        _CHATML,
        bos=None,
        eos="<|im_end|>",
        adds_bos=False,
        end="<|im_end|>",
    ),
    Family(
        "Aya Expanse, Command R",
        "{{ bos_token }}" + _SPLIT + "{% if sys is defined %}{{ '<|TURN|><|SYSTEM|>' + sys + "
        "'<|END_TURN|>' }}{% endif %}{% for m in rest %}" + _ALTERNATE + "{{ '<|TURN|>' + "
        "('<|USER|>' if m['role'] == 'user' else '<|CHATBOT|>') + m['content'].strip() + "
        "'<|END_TURN|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|TURN|><|CHATBOT|>' }}"
        "{% endif %}",
        ("<|TURN|>", "<|END_TURN|>", "<|SYSTEM|>", "<|USER|>", "<|CHATBOT|>"),
        end="<|END_TURN|>",
    ),
    Family(
        "OLMo-2",
        "{{ bos_token }}{% for m in messages %}{% if m['role'] != 'assistant' %}{{ '<|' + "
        "m['role'] + '|>\n' + m['content'] + '\n' }}{% else %}{{ '<|assistant|>\n' + m['content'] "
        "+ eos_token + ('' if loop.last else '\n') }}{% endif %}{% if loop.last and "
        "add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}",
        bos="</s>",
        adds_bos=False,
    ),
    Family(
        "OLMo-3 Instruct",
        _default_system("You are OLMo.") + "{% for m in messages %}{{ '<|im_start|>' + m['role'] + "
        "'\n' + m['content'] + (eos_token if loop.last and m['role'] == 'assistant' else "
        "'<|im_end|>\n') }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|im_start|>assistant\n' }}{% endif %}",
        _CHATML,
        bos=None,
        adds_bos=False,
    ),
    Family(
        "EuroLLM",
        _chatml("{{ bos_token }}", content="m['content'].strip()"),
        _CHATML,
        end="<|im_end|>",
    ),
    Family(
        "Salamandra",
        _chatml(
            "{% if not date_string is defined %}{% set date_string = '2024-09-30' %}{% endif %}"
            "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n' + date_string + "
            "'<|im_end|>\n' }}{% endif %}"
        ),
        _CHATML,
        end="<|im_end|>",
    ),
    Family(
        "Teuken",
        {
            lang: text + "{% for m in messages %}{{ m['role'] | capitalize + ': ' + m['content'] + "
            "(eos_token if m['role'] == 'assistant' else '') + '\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"
            for lang, text in {"EN": "System: A chat.", "DE": "System: Ein Chat."}.items()
        },
        trains=(),
        refused="has several",
        why="one template for each language",
    ),
    Family(
        "Zephyr, TinyLlama",
        "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}"
        "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
        "{% endfor %}",
    ),
    Family(
        "Granite 3",
        "{%- set today = strftime_now('%B %d, %Y') %}" + _SPLIT + "{{- "
        "'<|start_of_role|>system<|end_of_role|>' + (sys if sys is defined else 'Today is ' + "
        "today + '.') + '<|end_of_text|>\\n' }}{%- for m in rest %}{{- '<|start_of_role|>' + "
        "m['role'] + '<|end_of_role|>' + m['content'] + '<|end_of_text|>\\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|start_of_role|>assistant<|end_of_role|>' }}"
        "{%- endif %}",
        ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
        bos="<|end_of_text|>",
        eos="<|end_of_text|>",
        adds_bos=False,
        end="<|end_of_text|>",
    ),
    Family(
        "Falcon3",
        "{% for m in messages %}{% if m['role'] != 'assistant' %}{{ '<|' + m['role'] + '|>\n' + "
        "m['content'] + '\n' }}{% else %}{{ '<|assistant|>\n' + m['content'] + eos_token + ('' if "
        "loop.last else '\n') }}{% endif %}{% if loop.last and add_generation_prompt %}"
        "{{ '<|assistant|>\n' }}{% endif %}{% endfor %}",
        ("<|system|>", "<|user|>", "<|assistant|>"),
        bos=None,
        adds_bos=False,
    ),
    Family(
        "LFM2",
        _chatml("{{ bos_token }}"),
        _CHATML,
        eos="<|im_end|>",
        end="<|im_end|>",
    ),
    Family(
        "DeepSeek-R1 distilled",
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}"
        "{% elif m['role'] == 'user' %}{{ '<|User|>' + m['content'] }}{% else %}"
        "{{ '<|Assistant|>' + m['content'] + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|Assistant|><think>\n' }}{% endif %}",
        ("<|User|>", "<|Assistant|>"),
        trains=(),
        refused="prefix-preserving",
        why="its prompt opens a thinking block",
    ),
    Family(
        "gpt-oss",
        "{{ '<|start|>system<|message|>Current date: ' + strftime_now('%Y-%m-%d') + '<|end|>' }}"
        "{% for m in messages %}{% if m['role'] == 'assistant' %}"
        "{{ '<|start|>assistant<|channel|>final<|message|>' + m['content'] + ('<|return|>' if "
        "loop.last else '<|end|>') }}{% else %}{{ '<|start|>' + m['role'] + '<|message|>' + "
        "m['content'] + '<|end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start|>assistant' }}{% endif %}",
        ("<|start|>", "<|message|>", "<|channel|>", "<|end|>", "<|return|>"),
        bos=None,
        eos="<|return|>",
        adds_bos=False,
        trains=(),
        refused="changes the answer",
        why="channels that its prompt does not open",
    ),
    Family(
        "GLM-4.5",
        "{{ '[gMASK]<sop>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        ("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"),
        bos=None,
        adds_bos=False,
        trains=(),
        refused="generation cannot stop",
        why="nothing ends a turn",
    ),
)


def tokenizer(family: Family) -> Any:
    """The tiny tokenizer with a family's tokens and template, and with or without its bos."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    backend = copy.deepcopy(tiny_model.tokenizer()).backend_tokenizer
    if family.tokens:
        backend.add_special_tokens(
            [
                AddedToken(t, special=True, normalized=False, rstrip=family.rstrip)
                for t in family.tokens
            ]
        )
    named: dict[str, Any] = {"eos_token": family.eos, "pad_token": "<pad>"}
    if family.bos is not None:
        named["bos_token"] = family.bos
    opens = family.bos if family.adds_bos else None
    backend.post_processor = TemplateProcessing(
        single=f"{opens} $A" if opens else "$A",
        special_tokens=[(opens, backend.token_to_id(opens))] if opens else [],
    )
    made = PreTrainedTokenizerFast(tokenizer_object=backend, **named)
    made.chat_template = family.template
    return made


def table() -> str:
    """The documentation's table, from the same facts that the tests check."""
    lines = [
        "| family | `own` trains | `template_args` | changed | stops at | `study1` | `chatml` |",
        "|---|---|---|---|---|---|---|",
    ]
    for family in FAMILIES:
        trains = {(): "no", EVERY: "yes", SINGLE: "without system prompts"}[family.trains]
        why = f" ({family.why})" if family.why else ""
        args = ", ".join(f"`{k}: {str(v).lower()}`" for k, v in family.arguments.items())
        end = f"`{family.end}`" if family.trains else ""
        cells = [
            family.name,
            trains + why,
            args,
            family.changed,
            end.replace("|", "\\|"),
            "yes",
            "yes",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
