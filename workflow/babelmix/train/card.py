"""The model card that an exported checkpoint carries."""

from __future__ import annotations

import json
from typing import Any

from ..specs import TrainSpec


def model_card(spec: TrainSpec, record: dict[str, Any]) -> str:
    """Markdown for a checkpoint's README.md: what it was made from, and how to prompt it."""
    model, recipe = spec.model, spec.recipe
    base = model.repo or (model.packaged.package if model.packaged else model.path) or ""
    header = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": base,
        "tags": ["babelmix"],
    }
    refused = sum(record["refused"].values())
    dev = "not measured" if record["dev_loss"] is None else f"{record['dev_loss']:.4f}"
    settings = json.dumps(recipe.model_dump(mode="json", exclude_defaults=True), indent=2)
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in header.items()), "---"]
    lines += [
        f"# {spec.run}",
        "",
        f"`{spec.model_name}` ({base}) fine-tuned by Babelmix on the mixture `{spec.mixture}`, "
        f"seed {spec.seed}.",
        "",
        "| | |",
        "|---|---|",
        f"| rows trained on | {record['train_rows']} ({record['cut_train_rows']} cut at "
        f"{recipe.max_length} tokens, {refused} of the mixture refused) |",
        f"| rows held out | {record['dev_rows']} |",
        f"| trained tokens in the rows | {record['trained_tokens']} of {record['train_tokens']} |",
        f"| optimizer steps | {record['steps']}; kept: step {record['selected_step']} |",
        f"| last training loss | {record['final_loss']:.4f} |",
        f"| held-out loss | {dev} |",
        f"| chat template (SHA-256) | `{record['template_digest']}` |",
        f"| licence of the base model | {model.licence or 'not stated'} |",
        "",
        "Use the chat template that lies beside the weights; the loss was taken on the assistant's "
        "turns and the token that ends each.",
        "",
        "## Recipe",
        "",
        "```json",
        settings,
        "```",
        "",
    ]
    return "\n".join(lines)
