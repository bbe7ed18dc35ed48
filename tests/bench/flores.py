"""FLORES devtest through Apertium: chrF of the engine alone, of our pipeline, and with numbers
masked as well.

    python -m tests.bench.flores --data DATA [--langs es fr it]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sacrebleu import corpus_chrf

from babelmix.records import Conversation, Message
from babelmix.specs import TranslateSpec
from babelmix.translate.backends import Failure, make_backend
from babelmix.translate.protect import mask, restore, same_numbers
from babelmix.translate.shard import translate_shard

from .lima import MODES


def spec(lang: str) -> TranslateSpec:
    given = {"version": 1, "dataset": "flores", "lang": lang, "pivot": "en", "shard": 0}
    given |= {"shards": 1, "translator_name": "apertium"}
    given |= {"translator": {"backend": "apertium", "modes": MODES}}
    return TranslateSpec.model_validate(given)


def alone(lines: list[str], lang: str) -> list[str]:
    """The engine by itself: no masks, no audit."""
    found = make_backend(spec(lang)).translate(lines)
    return [r if isinstance(r, str) else "" for r in found]


def numbers_masked(lines: list[str], lang: str) -> list[str]:
    """Numbers masked from the start; the plain text where a mask is lost."""
    masked = [mask(line, numbers=True) for line in lines]
    found = make_backend(spec(lang)).translate([m.text for m in masked])
    plain = alone(lines, lang)
    out = []
    for result, m, other in zip(found, masked, plain, strict=True):
        restored = None if isinstance(result, Failure) else restore(result, m)
        out.append(other if restored is None else restored)
    return out


def pipeline(lines: list[str], lang: str, folder: Path) -> tuple[list[str], dict[str, Any]]:
    rows = [
        Conversation(f"flores-{n}", "en", "flores", "flores", [Message("user", line)])
        for n, line in enumerate(lines)
    ]
    made, manifest = translate_shard(rows, spec(lang), str(folder / f"flores.{lang}.0.jsonl"))
    return [row.messages[0].content for row in made], manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--langs", nargs="+", default=list(MODES))
    parser.add_argument("--out", type=Path, default=Path("work/flores"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    read = lambda code: (  # noqa: E731
        (args.data / "flores" / f"flores-test.{code}").read_text("utf-8").splitlines()
    )
    source = read("en")
    for lang in args.langs:
        through, manifest = pipeline(source, lang, args.out)
        ways = {
            "alone": alone(source, lang),
            "pipeline": through,
            "numbers_masked": numbers_masked(source, lang),
        }
        changed = {
            way: sum(not same_numbers(s, t) for s, t in zip(source, found, strict=True))
            for way, found in ways.items()
        }
        scores = {
            way: round(corpus_chrf(found, [read(lang)]).score, 2) for way, found in ways.items()
        }
        seen = {"lang": lang, "chrf": scores, "lines_with_other_numbers": changed}
        seen |= {"failed_by_check": manifest["failed_by_check"], "seconds": manifest["seconds"]}
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
