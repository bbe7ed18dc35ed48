"""The version of each stage. Raise one by hand when the stage's output would change.

Snakemake does not see edits of this package; this number, which every rule lists under ``params``,
is what makes a stage and all that follows it run again. A comment costs nothing.
"""

STAGE_VERSIONS: dict[str, int] = {
    "fetch": 3,
    "normalise": 5,
    "translate": 4,
    "quality": 1,
    "round_trip": 1,
    "collect": 6,
    "index": 2,
    "count": 1,
    "combine": 2,
    "fingerprint": 1,
    "contamination": 2,
    "cleared": 1,
    "mixture": 5,
    "manifest": 2,
    "benchmark": 2,
    "sources": 2,
    "model": 2,
    "tokenise": 3,
    "train": 3,
    "answer": 2,
    "likelihood": 1,
    "judge": 3,
    "baseline": 1,
    "score": 4,
    "tables": 7,
    "figures": 8,
    "report": 10,
}
