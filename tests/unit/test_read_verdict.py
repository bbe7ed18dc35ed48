"""The verb ``read-verdict``: JSON lines in, one line out per reply, as they come."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from babelmix.cli import main


class Input:
    """Standard input of these bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def run(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: Any, content: bytes | str, *options: str
) -> tuple[int, list[dict[str, Any]], str]:
    data = content.encode() if isinstance(content, str) else content
    monkeypatch.setattr("sys.stdin", Input(data))
    status = main(["read-verdict", *options])
    printed, errors = capfdbinary.readouterr()
    return status, [json.loads(line) for line in printed.splitlines()], errors.decode()


SINGLE = ("--protocol", "single")
PAIRWISE = ("--protocol", "pairwise")


def test_value_reason_and_span(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    replies = ["Gut. Bewertung: [[7,5]]", "Helpfulness: [[9]]\nAccuracy: [[3]]", ""]
    content = "\n".join(json.dumps({"text": reply}) for reply in replies)
    status, rows, _ = run(monkeypatch, capfdbinary, content, *SINGLE)
    assert status == 0
    assert rows[0] == {
        "value": 7.5,
        "reason": None,
        "span": {"text": "[[7,5]]", "start": 16, "end": 23},
    }
    assert rows[1]["value"] is None
    assert rows[1]["reason"].startswith("ambiguous")
    assert rows[2] == {"value": None, "reason": "empty reply", "span": None}


def test_preferences_have_a_strength(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    content = '{"text": "[[A>>B]]"}\n{"text": "[[A=B]]"}\n{"text": "[[B>A]]"}\n'
    _, rows, _ = run(monkeypatch, capfdbinary, content, *PAIRWISE)
    assert [(row["value"], row["strength"]) for row in rows] == [
        ("A", "significant"),
        ("tie", None),
        ("B", "slight"),
    ]


def test_cut_replies(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    content = '{"text": "[[8]]"}\n{"text": "[[8]]", "finish_reason": "stop"}\n'
    _, rows, _ = run(monkeypatch, capfdbinary, content, *SINGLE, "--finish", "length")
    assert [row["value"] for row in rows] == [None, 8]
    assert "max_tokens" in rows[0]["reason"]
    content = '{"text": "[[8]]", "finish_reason": "length"}\n{"text": "[[8]]"}\n'
    _, rows, _ = run(monkeypatch, capfdbinary, content, *SINGLE)
    assert [row["value"] for row in rows] == [None, 8]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Rating: [[8]]\n", "line 1 is not JSON"),
        ('{"text": "[[8]]"}\n["[[8]]"]\n', "line 2 has no text"),
        ('{"reply": "[[8]]"}\n', "line 1 has no text"),
        ('{"text": 8}\n', "line 1 has no text"),
        ('{"text": "[[8]]", "finish_reason": 3}\n', "`finish_reason` is 3"),
        (b'{"text": "\xff"}\n', "line 1 is not UTF-8"),
    ],
)
def test_bad_lines(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: Any, content: bytes | str, said: str
) -> None:
    status, _, errors = run(monkeypatch, capfdbinary, content, *SINGLE)
    assert status == 2
    assert said in errors


def test_lines_before_a_bad_one_are_printed(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: Any
) -> None:
    status, rows, _ = run(monkeypatch, capfdbinary, '{"text": "[[8]]"}\nno\n', *SINGLE)
    assert (status, [row["value"] for row in rows]) == (2, [8])


def test_plain_lines_scale_and_odd_text(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    _, rows, _ = run(monkeypatch, capfdbinary, "Rating: [[8]]\r\n", *SINGLE, "--plain")
    assert [row["value"] for row in rows] == [8]
    content = '{"text": "[RESULT] 4/5"}\n\n{"text": "[[5]] \\ud800"}\n'
    _, rows, _ = run(monkeypatch, capfdbinary, content, *SINGLE, "--scale", "1", "5")
    assert [row["value"] for row in rows] == [4, 5]
    status, _, errors = run(monkeypatch, capfdbinary, "", *SINGLE, "--scale", "5", "1")
    assert status == 2
    assert "--scale" in errors


def test_each_line_is_answered_before_the_next_comes() -> None:
    command = [sys.executable, "-m", "babelmix", "read-verdict", *SINGLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b'{"text": "[[8]]"}\n')
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["value"] == 8
        child.stdin.close()
        assert child.wait(20) == 0
