"""The model card of the tiny base model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..io import write_text
from .base_fit import BaseSettings

NAMES = {"en": "English", "de": "German", "fr": "French", "it": "Italian", "es": "Spanish"}

TEMPLATE = """\
---
license: cc-by-2.0
language: [en, de, fr, it, es]
library_name: transformers
pipeline_tag: text-generation
tags: [toy, demo, llama]
---

# Babelmix tiny base

A toy for demonstrations: a causal language model of {parameters:,} parameters, trained from scratch
in {minutes_trained:.0f} minutes on {threads} processor thread(s) on everyday sentences in English,
German, French, Italian and Spanish. It exists so that the workflow's embedded demo can tune and
compare real models without GPU, key or network. It knows nothing; it writes short, mostly
grammatical sentences.

## Data, licence, attribution

Sentences by the contributors of [Tatoeba](https://tatoeba.org), licence
[CC BY 2.0 FR](https://creativecommons.org/licenses/by/2.0/fr/), as collected in the Tatoeba test
sets (v2021-08-07) of
[Helsinki-NLP/OPUS-MT-testsets](https://github.com/Helsinki-NLP/OPUS-MT-testsets), pairs deu-eng,
eng-fra, eng-ita, eng-spa. Changes: each language alone, duplicates removed, sentences joined into
documents. SHA-256 of the files: `metrics.json`. No other text was used: no instructions, no
translations side by side, no benchmark.

The weights are offered under the same CC BY 2.0 FR (a model of this size recites parts of its
text): credit "sentences by the contributors of Tatoeba (tatoeba.org), CC BY 2.0 FR".

## Held-out bits per byte

| language | bits/byte | with the end | held-out texts | bytes | bytes/token | trained on | seen |
|---|---:|---:|---:|---:|---:|---:|---:|
{table}

Definition: {definition}.

The split is by the hash of the sentence without case and punctuation: per language the 2 % (at
least 500) of lowest hash are held out; the next {dev} choose the best weights and are neither
trained nor reported on. A sentence held out in one language is not trained on in another.
Tatoeba holds many near-paraphrases ("Tom left." / "Tom has left."), so part of the held-out text
has close relatives in the training text: the figures compare models of this data, no more.

## Architecture and training

Llama: vocabulary {vocab_size:,} (byte-level BPE, digits and newlines split), hidden {hidden_size},
{layers} layers, {heads} heads ({kv_heads} for keys and values), feed-forward {intermediate_size},
tied embeddings, context {context}. Documents from one sentence (most) to {context} tokens;
before each further sentence the language is drawn anew with probability {switch} (in proportion
to a language's tokens to the power {balance}), so a page does not always keep to one language.
{tokens:,} tokens seen in {steps:,} steps
({train_tokens:,} tokens in the training text); Muon for the matrices, AdamW for the rest, learning
rate falling with the time spent; best step {best_step:,}.
Trained {minutes_trained} minutes on the clock, seed {seed}, {machine}, torch {torch},
transformers {transformers}. The clock decides the number of steps: another run gives another model
of the same kind.

Weights are stored in {dtype} and load as float32 (`config.json`); the figures above are measured
after the rounding.

Special tokens: `<pad>` `<s>` `</s>` `<|system|>` `<|user|>` `<|assistant|>` `<|end|>`. The last
four never occur in training; `<|end|>` starts as a slightly weaker `</s>`, the roles as a noisy
`<s>`, for tuning to build on. The tokenizer has a chat template (`<|role|>`, newline, text,
`<|end|>`, newline) that marks the assistant's tokens for masked losses.

## Samples (greedy)

{samples}

## Limits

A toy: no knowledge, no reasoning, no safety tuning; do not use it for anything but showing how a
pipeline works. It repeats what Tatoeba's authors wrote, names ("Tom", "Sami") and opinions
included. Nothing measured on it says anything about models that people use.

## Make it again

```
{command}
```
"""


def write_card(path: Path, metrics: Mapping[str, Any], samples: Mapping[str, str]) -> None:
    """Write the model card from the metrics of `pretrain_base` and a sample a language."""
    settings = metrics["settings"]
    rows = [
        f"| {NAMES.get(lang, lang)} ({lang}) | {row['bpb']:.3f} | {row['bpb_with_eos']:.3f} "
        f"| {row['heldout_sentences']:,} | {row['heldout_bytes']:,} | {row['bytes_per_token']:.2f} "
        f"| {row['train_sentences']:,} | {metrics['epochs'][lang]:.1f} times |"
        for lang, row in metrics["languages"].items()
    ]
    default = asdict(BaseSettings())
    changed = "".join(
        f" --set {name}={value}" for name, value in settings.items() if value != default[name]
    )
    text = TEMPLATE.format(
        **{name: value for name, value in settings.items() if name not in {"dev", "dtype"}},
        parameters=metrics["parameters"],
        minutes_trained=metrics["minutes_trained"],
        threads=metrics["threads"],
        table="\n".join(rows),
        definition=metrics["definition"],
        dev=settings["dev"],
        dtype=settings["dtype"],
        tokens=metrics["tokens_seen"],
        steps=metrics["steps"],
        best_step=metrics["best_step"],
        train_tokens=sum(metrics["train_tokens"].values()),
        seed=metrics["seed"],
        machine=metrics["machine"],
        torch=metrics["versions"]["torch"],
        transformers=metrics["versions"]["transformers"],
        samples="\n".join(f"- {lang}: {' '.join(text.split())}" for lang, text in samples.items()),
        command=(
            "python -m babelmix pretrain-base --data DATA/tatoeba --out resources/demo/base "
            f"--minutes {metrics['minutes_budget']:g} --seed {metrics['seed']} "
            f"--threads {metrics['threads']}{changed}"
        ),
    )
    write_text(path, text)
