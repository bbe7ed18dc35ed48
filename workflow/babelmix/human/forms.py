"""The forms that raters fill: Label Studio tasks and labelling interface, CSV, XLSX.

Texts of models go in as text: JSON strings, cells that no spreadsheet takes for a formula, and
Label Studio's ``Text`` tag, which shows markup as it is written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..io import atomic_path, write_text
from .draw import Kind

CHOICES: dict[Kind, dict[str, str]] = {
    "pairs": {
        "A": "Answer A is better",
        "B": "Answer B is better",
        "tie": "Both are equally good",
        "both_bad": "Both are bad",
    },
    "ratings": {"excellent": "Excellent", "pass": "Acceptable", "fail": "Fails"},
}
#: Columns of the sheets; the rater fills the last two.
COLUMNS: dict[Kind, list[str]] = {
    "pairs": ["task", "language", "question", "answer_a", "answer_b", "label", "comment"],
    "ratings": ["task", "language", "question", "answer", "label", "comment"],
}
#: A cell of a spreadsheet holds no more.
_CELL = 32_000

_INTERFACE = """<View>
  <Style>.text-box {{ white-space: pre-wrap; }} .sides {{ display: flex; gap: 1em; }}
    .sides > * {{ flex: 1; min-width: 0; }}</Style>
  <Header value="Question ($language)"/>
  <View className="text-box"><Text name="question" value="$question"/></View>
  <View className="sides">
{answers}
  </View>
  <Choices name="label" toName="question" choice="single" required="true" showInline="true">
{choices}
  </Choices>
  <TextArea name="comment" toName="question" placeholder="Comment (not needed)" maxSubmissions="1"/>
</View>
"""
_ANSWER = (
    '    <View className="text-box"><Header value="{head}"/>'
    '<Text name="{name}" value="${name}"/></View>'
)


def interface(kind: Kind) -> str:
    """Label Studio's labelling interface (XML)."""
    heads = {"answer_a": "Answer A", "answer_b": "Answer B", "answer": "Answer"}
    answers = [
        _ANSWER.format(name=name, head=heads[name]) for name in COLUMNS[kind] if name in heads
    ]
    choices = [
        f'    <Choice value="{text}" alias="{value}" hotkey="{i}"/>'
        for i, (value, text) in enumerate(CHOICES[kind].items(), start=1)
    ]
    return _INTERFACE.format(answers="\n".join(answers), choices="\n".join(choices))


def label_of(kind: Kind, text: str) -> str | None:
    """The label of a choice, by its name or by its words; None for anything else."""
    text = text.strip()
    for value, words in CHOICES[kind].items():
        if text.casefold() in (value.casefold(), words.casefold()):
            return value
    return None


def label_studio_tasks(rows: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """Tasks as Label Studio imports them; ``data.task`` is what comes back."""
    return [{"data": row} for row in rows]


def write_csv(path: Path, kind: Kind, rows: Sequence[dict[str, str]]) -> None:
    """One row a task, the label empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS[kind])
    writer.writerows([_no_formula(row.get(name, "")) for name in COLUMNS[kind]] for row in rows)
    write_text(path, text.getvalue())


def _no_formula(text: str) -> str:
    """A leading apostrophe keeps spreadsheets from computing a text that starts like a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def write_xlsx(path: Path, kind: Kind, rows: Sequence[dict[str, str]]) -> None:
    """The same as a workbook, with a list to choose the label from."""
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Alignment
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.active
    sheet.title = "labels"
    sheet.append(COLUMNS[kind])
    for row in rows:
        sheet.append([""] * len(COLUMNS[kind]))
        for column, name in enumerate(COLUMNS[kind], start=1):
            cell = sheet.cell(sheet.max_row, column)
            text = ILLEGAL_CHARACTERS_RE.sub("\ufffd", row.get(name, ""))
            if text:
                cut = f" […{len(text) - _CELL} characters more]" if len(text) > _CELL else ""
                cell.value = text[:_CELL] + cut
                # A text that starts with "=" is no formula here.
                cell.data_type = "s"
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for letter, name in zip("ABCDEFG", COLUMNS[kind], strict=False):
        wide = name in ("question", "answer", "answer_a", "answer_b")
        sheet.column_dimensions[letter].width = 60 if wide else 16
        if name == "label" and rows:
            listed = ",".join(CHOICES[kind])
            rule = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True)
            sheet.add_data_validation(rule)
            rule.add(f"{letter}2:{letter}{len(rows) + 1}")
    sheet.freeze_panes = "A2"
    with atomic_path(path) as temporary:
        book.save(temporary)
