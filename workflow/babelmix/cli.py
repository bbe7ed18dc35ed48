"""The command line: one verb a job. Thin: parse the arguments, call one function.

A verb's module is imported only when that verb is called, so that `--help` is quick and light
verbs never load torch.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__, provenance
from .errors import BabelmixError, explain_os_error
from .options import read_settings

Verbs = dict[str, tuple[str, str]]

#: verb -> (module below babelmix, one line of help): what people call.
PEOPLES: Verbs = {
    "plan": ("plan.cost", "print what a configuration costs: jobs, tokens, calls, US dollars"),
    "check": ("plan.check", "list what this machine lacks to run a configuration"),
    "status": ("plan.status", "show what is done, running or failed, and what the rest costs"),
    "verify": ("plan.verify", "check that every result fits the configuration"),
    "prune": ("plan.prune", "list results that no study needs any more; delete with --delete"),
    "schema": ("config.document", "write the configuration's JSON schema and reference page"),
    "sources": ("sources.listing", "list the built-in sources: licence, size, gated, pinned"),
    "export-review": ("translate.export_review", "write a sheet of translations to be reviewed"),
    "import-review": ("translate.import_review", "turn a reviewed sheet into corrections"),
    "export-benchmark": (
        "sources.export_benchmark",
        "write a benchmark as MT-Bench-X's own files",
    ),
    "export-mixture": ("mixtures.export", "write a mixture or pool with its texts"),
    "push-to-hub": ("publish.push", "upload a dataset, a checkpoint or judgements to the hub"),
    "show-mask": ("train.show_mask", "print rows with their trained tokens in colour"),
    "show-training": ("plan.show_training", "print layout, memory, disk and DeepSpeed JSON"),
    "compare": ("analyse.compare", "print the paired difference between two runs, with interval"),
    "reparse": ("judge.reparse", "parse the verdicts of judgements again from their raw text"),
    "read-verdict": ("judge.read_verdict", "parse verdicts of replies given on standard input"),
    "answer-language": ("analyse.ask_language", "identify languages of texts on standard input"),
    "combine-judgements": (
        "judge.combine",
        "combine any judgement files into a jury verdict",
    ),
    "import-judgements": ("judge.published.importer", "import judgements published by others"),
    "import-answers": ("answer.importer", "import answers published by others"),
    "judgement-tables": ("analyse.judgement_tables", "make tables from judgement files alone"),
    "export-human": ("human.export", "draw a blind sample for human judges and write its forms"),
    "import-human": ("human.labels", "check human labels and write them as parquet"),
    "agreement": ("human.agree", "print how well groups of raters agree, from their labels"),
}

#: What the workflow's rules call, in the order of the data. By hand they work as well.
RULES: Verbs = {
    "fetch": ("sources.fetch", "fetch or verify one source; record files and digests"),
    "normalise": ("sources.normalise", "read sources into conversations of one language"),
    "benchmark": ("sources.benchmark", "read a benchmark's questions in one language"),
    "describe-sources": ("sources.used", "collect licences, versions and counts of the data"),
    "translate": ("translate.shard", "translate one shard of a pool into one language"),
    "quality": ("translate.quality", "score translations with a function of your own"),
    "round-trip": ("translate.round_trip", "translate back and compare with the pivot (chrF)"),
    "collect": ("translate.collect", "join the shards of a language and audit the translation"),
    "combine-languages": (
        "mixtures.combine",
        "join two languages of a pool per row: cross-lingual or code-switched",
    ),
    "index-language": ("mixtures.pool", "index one language of a pool; hold out the dev rows"),
    "fingerprint-language": (
        "mixtures.fingerprints",
        "fingerprint conversations to find exact and near duplicates",
    ),
    "count-tokens": ("train.counts", "count tokens per row of a pool's language, for budgets"),
    "find-contamination": ("mixtures.contamination", "search a pool for benchmark questions"),
    "clear-mixture": ("mixtures.clear", "approve a mixture whose pools were searched"),
    "build-mixture": ("mixtures.build", "select the rows of one mixture"),
    "mixture-manifest": ("mixtures.manifest", "write all that is known of one mixture"),
    "pretrain-base": ("train.base", "pre-train the demo's tiny five-language base model"),
    "prepare-model": ("train.prepare", "convert a base model to a folder of safetensors"),
    "tokenise": ("train.tokenise", "turn conversations into token ids and masked labels"),
    "train": ("train.train", "fine-tune a base model on one mixture"),
    "answer": ("answer.answer", "answer a benchmark with one run's checkpoint"),
    "likelihood": ("train.likelihood", "score held-out texts under one run: bits per byte"),
    "score": ("analyse.score", "measure answers without a judge: language, emptiness, length"),
    "judge-single": ("judge.single", "grade one run's answers, turn by turn"),
    "choose-baseline": ("judge.baseline", "choose the best monolingual run by its grades"),
    "judge-pairs": ("judge.pairs", "compare one run's answers with a baseline's, in both orders"),
    "judge-jury": ("judge.jury", "combine the judgements of a jury's members"),
    "describe": ("plan.describe", "write study.json, which tables, figures and report read"),
    "tables": ("analyse.tables", "make the tables, with intervals"),
    "figures": ("analyse.figures", "make the figures from the tables"),
    "report": ("report.report", "make the self-contained page"),
}

VERBS: Verbs = PEOPLES | RULES

#: Verbs of rules that have no settings of their own: their results follow from what they read.
WITHOUT_SETTINGS = {"clear-mixture", "describe-sources", "tables", "figures"}
#: verb -> options that name its outputs, where they are not `--output`, `--manifest`, `--audit`.
OUTPUTS = {
    "build-mixture": ("output", "selection"),
    "mixture-manifest": ("output",),
    "train": ("completed",),
}


class _Help(argparse.HelpFormatter):
    """Help that names a default where there is one and the text does not name it yet."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        silent = action.default in (None, False, argparse.SUPPRESS, [], "")
        if silent or not action.option_strings or "default" in (action.help or ""):
            return action.help
        return f"{action.help} (default: %(default)s)"


def _overview() -> argparse.ArgumentParser:
    width = max(map(len, VERBS))

    def listed(verbs: Verbs) -> str:
        return "\n".join(f"  {verb:<{width}}  {text}" for verb, (_, text) in verbs.items())

    parser = argparse.ArgumentParser(
        prog="python -m babelmix",
        description="Which mixture of languages should I tune my model on?",
        epilog=(
            f"verbs for people:\n{listed(PEOPLES)}\n\n"
            f"verbs that the workflow's rules call:\n{listed(RULES)}\n\n"
            "`python -m babelmix VERB --help` explains one verb."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s VERB [options]",
    )
    parser.add_argument("--version", action="version", version=f"babelmix {__version__}")
    parser.add_argument("verb", choices=list(VERBS), metavar="VERB", help="one of the verbs below")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status: 2 for what the user can fix, 3 for a cap reached."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = _overview().parse_args(arguments[:1]).verb
    module_name, text = VERBS[verb]
    module = importlib.import_module(f".{module_name}", __package__)
    parser = argparse.ArgumentParser(
        prog=f"python -m babelmix {verb}",
        description=_first_paragraph(module.__doc__ or text),
        formatter_class=_Help,
        fromfile_prefix_chars="@",
    )
    module.add_arguments(parser)
    args = parser.parse_args(arguments[1:])
    try:
        if settings_class := getattr(args, "settings_class", None):
            settings = read_settings(args, settings_class)
            said = settings.model_dump(mode="json", exclude_defaults=True)
            provenance.begin(verb, said, _outputs(verb, args))
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


def _first_paragraph(text: str) -> str:
    """What a verb does, without the words that introduce it in its module."""
    said = re.sub(r"^Verbs? ``[^:]*: ", "", text.split("\n\n", 1)[0])
    return said[:1].upper() + said[1:]


def _outputs(verb: str, args: argparse.Namespace) -> list[Path | str]:
    """The files that say what made them."""
    names = OUTPUTS.get(verb, ("output", "manifest", "audit"))
    return [path for name in names if (path := getattr(args, name, None)) is not None]
