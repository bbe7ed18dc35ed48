"""The model card that an exported checkpoint carries, and its picture of the loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..config.load import build_config
from ..config.root import Config
from ..io import read_json
from ..specs import TrainSpec

#: The card's picture, beside the card.
PLOT = "loss.svg"


def model_card(
    spec: TrainSpec, record: dict[str, Any], manifest: Path | None, config: Path | None
) -> str:
    """Markdown for a checkpoint's README.md: what it was made from, and how to prompt it.

    ``manifest`` is the mixture's, ``config`` the merged configuration (for licences alone).
    """
    model, recipe = spec.model, spec.recipe
    base = model.repo or (model.packaged.package if model.packaged else model.path) or ""
    mixture = _read(manifest)
    settings = build_config(read_json(config), str(config)) if config is not None else None
    header: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": base,
        "tags": ["babelmix"],
    }
    if mixture:
        header["language"] = sorted(mixture["rows_by_language"])
    named = settings.models.get(spec.model_name) if settings is not None else None
    licence = named.licence if named is not None else model.licence
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in header.items()), "---"]
    lines += [
        f"# {spec.run}",
        "",
        f"`{spec.model_name}` ({base}) fine-tuned by Babelmix on the mixture `{spec.mixture}`, "
        f"seed {spec.seed}.",
        "",
        *_table(spec, record, licence or "not stated"),
        "",
        "Use the chat template that lies beside the weights; the loss was taken on the assistant's "
        "turns and the token that ends each.",
        "",
        f"![Training loss; points are the loss on held-out rows]({PLOT})",
        "",
        *_data(mixture, settings),
        "## Recipe",
        "",
        *_json(recipe.model_dump(mode="json", exclude_defaults=True)),
    ]
    return "\n".join(lines)


def _read(path: Path | None) -> dict[str, Any]:
    return dict(read_json(path)) if path is not None and path.is_file() else {}


def _json(value: Any) -> list[str]:
    return ["```json", json.dumps(value, indent=2, ensure_ascii=False), "```", ""]


def _table(spec: TrainSpec, record: dict[str, Any], licence: str) -> list[str]:
    refused = sum(record["refused"].values())
    dev = "not measured" if record["dev_loss"] is None else f"{record['dev_loss']:.4f}"
    return [
        "| | |",
        "|---|---|",
        f"| rows trained on | {record['train_rows']} ({record['cut_train_rows']} cut at "
        f"{spec.recipe.max_length} tokens, {refused} of the mixture refused) |",
        f"| rows held out | {record['dev_rows']} |",
        f"| trained tokens in the rows | {record['trained_tokens']} of {record['train_tokens']} |",
        f"| optimizer steps | {record['steps']}; kept: step {record['selected_step']} |",
        f"| last training loss | {record['final_loss']:.4f} |",
        f"| held-out loss | {dev} |",
        *_batching(record),
        f"| chat template (SHA-256) | `{record['template_digest']}` |",
        f"| licence of the base model | {licence} |",
    ]


def _batching(record: dict[str, Any]) -> list[str]:
    """Said where rows could not share micro-batches as the recipe asks."""
    note = record.get("batching", {}).get("note")
    return [f"| not as the recipe asks | {note} |"] if note else []


def _data(mixture: dict[str, Any], settings: Config | None) -> list[str]:
    """The mixture's rows by dataset and language, the licences of their sources, its definition."""
    if not mixture:
        return []
    lines = [
        "## Data",
        "",
        "Weights tuned on data inherit its conditions: see the licences of its sources.",
        "",
        "| | |",
        "|---|---|",
    ]
    for dataset in dict.fromkeys(cell["dataset"] for cell in mixture["cells"]):
        cells = [cell for cell in mixture["cells"] if cell["dataset"] == dataset]
        rows = ", ".join(f"{cell['language']} {cell['rows']}" for cell in cells)
        lines.append(f"| rows of dataset `{dataset}` by language | {rows} |")
        if settings is not None and dataset in settings.datasets:
            lines += _origin(dataset, settings)
    lines += [f"| rows (SHA-256) | `{mixture['rows_digest']}` |", ""]
    return [*lines, "Definition of the mixture:", "", *_json(mixture["definition"])]


def _origin(dataset: str, settings: Config) -> list[str]:
    """The translator of a dataset, and the licence and citation of each of its sources."""
    pool, lines = settings.datasets[dataset], []
    if pool.translator:
        lines.append(f"| translator of `{dataset}` | {json.dumps(pool.translator)} |")
    for name in pool.sources:
        source = settings.sources[name]
        terms = [source.licence or "not stated", "non-commercial" if source.non_commercial else ""]
        lines.append(f"| licence of source `{name}` | {'; '.join(filter(None, terms))} |")
        if source.citation:
            lines.append(f"| to be cited for `{name}` | {' '.join(source.citation.split())} |")
    return lines


def loss_plot(rows: list[dict[str, Any]], width: int = 640, height: int = 240) -> str:
    """SVG of the training loss against steps, with the held-out loss as points.

    Drawn by hand: a charting library would take longer to start than a small training takes.
    """
    train = [(row["step"], row["loss"]) for row in rows if "loss" in row]
    dev = [(row["step"], row["dev_loss"]) for row in rows if "dev_loss" in row]
    values = [value for _, value in train + dev]
    low, high = min(values), max(max(values), min(values) + 1e-6)
    last = max(step for step, _ in train + dev)

    def at(step: int, value: float) -> str:
        x = 50 + (width - 60) * (step - 1) / max(1, last - 1)
        y = 10 + (height - 40) * (high - value) / (high - low)
        return f"{x:.1f},{y:.1f}"

    line = " ".join(at(*point) for point in train)
    points = "".join(
        '<circle cx="{}" cy="{}" r="3" fill="#c44e00"/>'.format(*at(*point).split(","))
        for point in dev
    )
    text = '<text x="{}" y="{}" font-size="11" text-anchor="{}">{}</text>'
    labels = [
        (44, 14, "end", f"{high:.2f}"),
        (44, height - 30, "end", f"{low:.2f}"),
        (50, height - 12, "start", "1"),
        (width - 10, height - 12, "end", f"step {last}"),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>'
        f'<path d="M50 10V{height - 30}H{width - 10}" fill="none" stroke="#999"/>'
        f'<polyline points="{line}" fill="none" stroke="#1f5fa8"/>{points}'
        f"{''.join(text.format(*label) for label in labels)}</svg>\n"
    )
