"""Made-up likelihoods of held-out texts for a fake study set, with a built-in truth.

Tuning saves bits in proportion to what ``fake_study`` calls skill, so that the judge's grades and
the bits rank mixtures alike; text ``t03`` was trained on by one run.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import fake_study

from babelmix.io import read_json, write_json, write_records
from babelmix.records import Likelihood

HELD_OUT = "pool.dev"
#: Bits per byte of the untuned model.
BASE = {"en": 1.0, "de": 1.4, "fr": 1.3}
TRAINED_ON_T03 = "tiny.mono-FR.short.s0"


def add(study: fake_study.FakeStudy, texts: int = 12, **changes: Any) -> list[Path]:
    """Give a fake study set held-out texts; the files of its likelihoods.

    ``changes`` are those of ``record``.
    """
    described = read_json(study.study)
    described["likelihoods"] = {
        HELD_OUT: {
            "dataset": "pool",
            "benchmark": None,
            "languages": list(BASE),
            "studies": list(described["studies"]),
        }
    }
    write_json(study.study, described)
    rows = fake_study.mixtures(6)
    files = []
    for run, spec in described["runs"].items():
        own = rows.get(spec["mixture"] or "", {})
        found = [
            record(run, own, f"t{i:02}", lang, part, **changes)
            for lang in BASE
            for i in range(texts)
            for part in ("answer", "prompt")
        ]
        files.append(study.root / "likelihoods" / HELD_OUT / f"{run}.parquet")
        write_records(files[-1], found, Likelihood)
    return files


def record(
    run: str, rows: dict[str, int], text: str, lang: str, part: str, noise: float = 0.02
) -> Likelihood:
    """One turn: bytes and difficulty are the text's own, the saving the run's."""
    draw = random.Random(f"{text}{lang}")
    n_bytes = draw.randint(80, 400)
    rate = BASE[lang] * draw.uniform(0.8, 1.2)
    if rows:
        rate *= 1.1 - 0.3 * fake_study._skill(rows, lang)
        rate *= 1 + random.Random(f"{run}{text}{lang}").uniform(-noise, noise)
    trained = run == TRAINED_ON_T03 and text == "t03"
    return Likelihood(
        run=run,
        held_out=HELD_OUT,
        id=text,
        lang=lang,
        part=part,
        turn=1,
        n_tokens=n_bytes // 4,
        n_bytes=n_bytes,
        bits=None if trained else rate * n_bytes,
        reason="trained on" if trained else None,
    )
