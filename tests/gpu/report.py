"""The check's record: JSON in full, and a table in Markdown. Standard library alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .runner import Outcome


class Record:
    """Files that are whole after every step."""

    def __init__(self, folder: Path, device: str, planned: Sequence[str]) -> None:
        self.folder, self.device, self.planned = folder, device, list(planned)
        folder.mkdir(parents=True, exist_ok=True)
        self.json, self.table = folder / "gpu-check.json", folder / "gpu-check.md"

    def write(self, outcomes: list[Outcome]) -> None:
        """Write both files anew."""
        done = {outcome.name for outcome in outcomes}
        left = [name for name in self.planned if name not in done]
        shown: dict[str, Any] = {
            "device": self.device,
            "complete": not left,
            "not_run_yet": left,
            "steps": [asdict(outcome) for outcome in outcomes],
        }
        _replace(self.json, json.dumps(shown, indent=1) + "\n")
        _replace(self.table, markdown(outcomes, left))


def markdown(outcomes: Sequence[Outcome], left: Sequence[str] = ()) -> str:
    """Environment, one line per step, then the speeds."""
    lines = []
    for outcome in outcomes:
        if outcome.kind == "environment":
            lines += ["| environment | |", "|---|---|"]
            lines += [f"| {key} | {_said(value)} |" for key, value in outcome.figures.items()]
            lines.append("")
    lines += ["| step | outcome | s | seen |", "|---|---|---:|---|"]
    for outcome in outcomes:
        plain = {k: v for k, v in outcome.figures.items() if k != "table"}
        seen = "" if outcome.kind == "environment" else _said(plain)
        if outcome.reason:
            seen = outcome.reason + (f"; {seen}" if seen else "")
        about = f"{outcome.name}: {outcome.about}"
        lines.append(f"| {about} | {outcome.status} | {outcome.seconds:.0f} | {_cell(seen)} |")
    lines += [f"| {name} | not run | | |" for name in left]
    for outcome in outcomes:
        table = outcome.figures.get("table")
        if table:
            lines += ["", f"{outcome.name}: {outcome.about}", "", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|---" + "|---:" * (len(names) - 1) + "|"]
    lines += ["| " + " | ".join(_cell(_said(row.get(n, ""))) for n in names) + " |" for row in rows]
    return lines


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_said(inner) for inner in value)
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
