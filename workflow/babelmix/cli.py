"""The command line: one verb a job. Thin: parse the arguments, call one function.

A verb's module is imported only when that verb is called, so that `--help` is quick and light
verbs never load torch.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import __version__, provenance
from .errors import BabelmixError, explain_os_error

#: verb -> (module below babelmix, one line of help). The order is the order of the data's way.
VERBS: dict[str, tuple[str, str]] = {
    "plan": ("plan.cost", "print what a configuration would cost: jobs, tokens, calls, dollars"),
    "check": ("plan.check", "say what this machine lacks to run a configuration"),
    "status": ("plan.status", "say what is done, running and failed, and what the rest will cost"),
    "describe": ("plan.describe", "write study.json: what tables, figures and report must know"),
    "verify": ("plan.verify", "check that every result fits the configuration"),
    "prune": ("plan.prune", "list results that no study needs any more; delete them when told"),
    "schema": ("config.document", "write the configuration's JSON schema and reference page"),
    "sources": ("sources.listing", "list the built-in sources: licence, size, gated, pinned"),
    "fetch": ("sources.fetch", "fetch or verify one source; record files and digests"),
    "normalise": ("sources.normalise", "read sources into conversations of one language"),
    "translate": ("translate.shard", "translate one shard of a pool into one language"),
    "quality": ("translate.quality", "score translations by a function of your own"),
    "round-trip": ("translate.round_trip", "translate back and compare with the pivot (chrF)"),
    "collect": ("translate.collect", "join the shards of a language; audit the translation"),
    "export-review": ("translate.export_review", "write a sheet of the rows that need a human"),
    "import-review": ("translate.import_review", "take a filled sheet back as corrections"),
    "index-language": ("mixtures.pool", "index one language of a pool; hold out the dev rows"),
    "combine-languages": (
        "mixtures.combine",
        "join two languages of a pool in one row: cross-lingual or code-switched",
    ),
    "fingerprint-language": (
        "mixtures.fingerprints",
        "fingerprint conversations, to find equal and nearly equal ones",
    ),
    "find-contamination": ("mixtures.contamination", "look for benchmark questions in a pool"),
    "count-tokens": ("train.counts", "count tokens of a pool's language, for budgets in tokens"),
    "build-mixture": ("mixtures.build", "select the rows of one mixture"),
    "clear-mixture": ("mixtures.clear", "let a mixture be trained on, its pools searched"),
    "export-mixture": (
        "mixtures.export",
        "write a mixture or pool with its texts, for others",
    ),
    "push-to-hub": ("publish.push", "upload a dataset, a checkpoint or judgements to the hub"),
    "mixture-manifest": ("mixtures.manifest", "write all that is known of one mixture"),
    "benchmark": ("sources.benchmark", "read a benchmark's questions in one language"),
    "pretrain-base": ("train.base", "pre-train the demo's tiny five-language base model"),
    "prepare-model": ("train.prepare", "bring a base model to a folder of safetensors"),
    "tokenise": ("train.tokenise", "turn conversations into token ids and masked labels"),
    "show-mask": ("train.show_mask", "print rows with their trained tokens in colour"),
    "show-training": ("train.show_training", "print layout, memory, disk, DeepSpeed's JSON"),
    "train": ("train.train", "fine-tune a base model on one mixture"),
    "answer": ("answer.answer", "answer a benchmark with one run's checkpoint"),
    "likelihood": ("train.likelihood", "bits of held-out texts under one run, without a judge"),
    "judge-single": ("judge.single", "grade one run's answers, turn by turn"),
    "judge-pairs": ("judge.pairs", "compare one run's answers with a baseline's, both orders"),
    "reparse": ("judge.reparse", "re-read the verdicts of judgements from their raw text"),
    "read-verdict": ("judge.read_verdict", "read verdicts in replies given on standard input"),
    "judge-jury": ("judge.jury", "join the judgements of a jury's members into the jury's"),
    "combine-judgements": ("judge.combine", "the same by hand, of any judgement files"),
    "import-judgements": ("judge.published.importer", "bring in judgements that others published"),
    "import-answers": ("answer.importer", "bring in answers that others published"),
    "judgement-tables": ("analyse.judgement_tables", "tables from judgement files alone"),
    "choose-baseline": ("judge.baseline", "choose the best monolingual run by its grades"),
    "describe-sources": ("sources.used", "put together licences, versions and counts of the data"),
    "score": ("analyse.score", "measure answers without a judge: language, emptiness, length"),
    "answer-language": (
        "analyse.ask_language",
        "say which language texts on standard input are in",
    ),
    "tables": ("analyse.tables", "make the tables, with intervals"),
    "figures": ("analyse.figures", "make the figures from the tables"),
    "report": ("report.report", "make the self-contained page"),
    "export-human": ("human.export", "draw a blind sample for people to judge; write its forms"),
    "import-human": ("human.labels", "read people's labels back, check them, write parquet"),
    "agreement": ("human.agree", "print how far groups of raters agree, from their labels"),
    "compare": ("analyse.compare", "print the paired difference between two runs, with interval"),
}

#: Verbs of rules that have no settings of their own: their results follow from what they read.
WITHOUT_SETTINGS = {"clear-mixture", "describe-sources", "tables", "figures"}
#: verb -> options that name its outputs, where they are not `--output`, `--manifest`, `--audit`.
OUTPUTS = {
    "build-mixture": ("output", "selection"),
    "mixture-manifest": ("output",),
    "train": ("completed",),
}


def _overview() -> argparse.ArgumentParser:
    width = max(len(verb) for verb in VERBS)
    listed = "\n".join(f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="python -m babelmix",
        description="Which mixture of languages should I tune my model on?",
        epilog=f"verbs:\n{listed}\n\n`python -m babelmix VERB --help` explains one verb.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s VERB [options]",
    )
    parser.add_argument("--version", action="version", version=f"babelmix {__version__}")
    parser.add_argument("verb", choices=list(VERBS), metavar="VERB", help="one of the verbs below")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status: 2 for what the user can mend, 3 for a cap reached."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = _overview().parse_args(arguments[:1]).verb
    module_name, text = VERBS[verb]
    module = importlib.import_module(f".{module_name}", __package__)
    parser = argparse.ArgumentParser(
        prog=f"python -m babelmix {verb}",
        description=(module.__doc__ or text).split("\n\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        fromfile_prefix_chars="@",
    )
    module.add_arguments(parser)
    args = parser.parse_args(arguments[1:])
    try:
        if spec := getattr(args, "spec", None):
            provenance.begin(verb, _settings(spec), _outputs(verb, args))
        elif verb in WITHOUT_SETTINGS:
            provenance.begin(verb, {}, _outputs(verb, args))
        module.run(args)
        provenance.finish()
    except BabelmixError as error:
        print(f"babelmix {verb}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        explained = explain_os_error(error)
        if explained is None:
            raise
        print(f"babelmix {verb}: {explained}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"babelmix {verb}: stopped by the user", file=sys.stderr)
        return 130
    finally:
        provenance.end()
    return 0


def _settings(text: str) -> dict[str, Any]:
    """A job's settings; a text that the verb is about to refuse gives none."""
    try:
        settings = json.loads(text)
    except ValueError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _outputs(verb: str, args: argparse.Namespace) -> list[Path | str]:
    """The files that say what made them."""
    names = OUTPUTS.get(verb, ("output", "manifest", "audit"))
    return [path for name in names if (path := getattr(args, name, None)) is not None]
