"""Tables of held-out likelihood: bits per byte by mixture and language, and what transfers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .likelihood_agreement import agreement_table
from .likelihoods import Texts, base_of, comparable_texts
from .statistics import Bootstrap, Estimate
from .study import ALL, StudySet, Variant
from .table import (
    ESTIMATE_COLUMNS,
    VARIANT_COLUMNS,
    Table,
    estimate_cells,
    joined_notes,
    variant_cells,
)

if TYPE_CHECKING:
    import pandas as pd

    from .language_tables import Measure

PARTS = ("answer", "prompt")


def likelihood_tables(
    study: StudySet, frame: pd.DataFrame, measures: Sequence[Measure], bootstrap: Bootstrap
) -> list[Table]:
    """All tables of held-out likelihood; ``measures`` are what it is compared with."""
    found = [
        (texts, frame[(frame["held_out"] == name) & (frame["part"] == part)])
        for name in frame["held_out"].drop_duplicates()
        for part in PARTS
        if (texts := comparable_texts(frame, str(name), part)) is not None
    ]
    answers = [texts for texts, _ in found if texts.part == PARTS[0]]
    return [
        likelihood_table(study, found, bootstrap),
        transfer_table(study, answers, bootstrap),
        agreement_table(study, answers, measures, bootstrap),
    ]


def likelihood_table(
    study: StudySet, found: Sequence[tuple[Texts, pd.DataFrame]], bootstrap: Bootstrap
) -> Table:
    """Bits per byte of each variant and language, beside its base model's."""
    table = Table(
        "likelihood",
        "Bits per byte of held-out texts by mixture and language",
        "How many bits a model needs for a byte of held-out answers (or prompts): lower is better. "
        "Every cell is of the same texts, those scored under all runs and in all languages; "
        "`saved` and `difference` are paired by text with the untuned model. Languages differ in "
        "bytes for the same content: compare models within a language, and `bits` across them.",
        {"held_out": "Held-out texts: a pool's split, or a benchmark's references."}
        | VARIANT_COLUMNS
        | {
            "part": "`answer` or `prompt`.",
            "language": "Language of the texts, or `all`: the mean, each language weighs the same.",
            "bits_per_byte": "Bits per UTF-8 byte of the text.",
        }
        | ESTIMATE_COLUMNS
        | {
            "bits": "Bits of one text, on average.",
            "bytes": "Bytes of one text, on average.",
            "base": "Bits per byte of the untuned model.",
            "difference": "Bits per byte less the untuned model's.",
            "difference_low": "Lower end of its interval.",
            "difference_high": "Upper end.",
            "saved": "Bits saved against the untuned model, in percent; below 0: more are needed.",
            "saved_low": "Lower end of its interval.",
            "saved_high": "Upper end.",
            "left_out": "Turns of all seeds that do not enter: not scored here or elsewhere.",
            "reasons": "Why turns were not scored under this variant itself, with counts.",
        },
        ("held_out", "part", "variant", "language"),
    )
    for texts, frame in found:
        own = dict(iter(frame.groupby("variant")))
        for variant in _in_order(study, texts):
            for lang, codes in _languages(texts):
                rows = own[variant.name]
                rows = rows if lang == ALL else rows[rows["lang"] == lang]
                table.rows.append(
                    {"held_out": texts.held_out, "part": texts.part, "language": lang}
                    | variant_cells(variant)
                    | _measured(study, texts, variant, codes, bootstrap)
                    | _left_out(rows, texts, codes, variant)
                )
    return table


def _in_order(study: StudySet, texts: Texts) -> list[Variant]:
    return [v for v in study.variants.values() if v.name in texts.bits]


def _languages(texts: Texts) -> Iterator[tuple[str, list[str]]]:
    yield ALL, texts.languages
    for lang in texts.languages:
        yield lang, [lang]


def _measured(
    study: StudySet, texts: Texts, variant: Variant, codes: list[str], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Bits per byte of one cell, and its comparison with the base model."""
    own = texts.per_byte(bootstrap, variant.name, codes)
    estimates = {"bits_per_byte": own}
    cells = estimate_cells(own, "bits_per_byte")
    if texts.ids:
        at = [texts.languages.index(c) for c in codes]
        cells["bits"] = float(texts.bits[variant.name][:, at].mean())
        cells["bytes"] = float(texts.n_bytes[:, at].mean())
    base = base_of(study, variant)
    if base is not None and base.name in texts.bits:
        compared = {
            "difference": texts.difference(bootstrap, variant.name, base.name, codes),
            "saved": texts.saving(bootstrap, [(variant.name, codes)], base.name),
        }
        cells["base"] = texts.per_byte(bootstrap, base.name, codes).value
        for name, estimate in compared.items():
            cells |= {name: estimate.value}
            cells |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        estimates |= compared
    return cells | {"interval_note": _notes(texts, estimates)}


def _notes(texts: Texts, estimates: dict[str, Estimate]) -> str:
    if not texts.ids:
        return "no value: no text is scored under all runs and in all languages"
    return joined_notes(estimates)


def _left_out(
    rows: pd.DataFrame, texts: Texts, codes: list[str], variant: Variant
) -> dict[str, Any]:
    """Turns that do not enter, and why those of this variant's own were not scored."""
    reasons = Counter(rows.loc[rows["bits"].isna(), "reason"].tolist())
    shown = "; ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
    entered = texts.turns * len(codes) * rows["run"].nunique()
    return {"left_out": len(rows) - entered, "reasons": shown}


def transfer_table(study: StudySet, found: Sequence[Texts], bootstrap: Bootstrap) -> Table:
    """What tuning in one language does to the others: each monolingual variant, and all of them."""
    table = Table(
        "likelihood_transfer",
        "Transfer of one language to the others, by likelihood",
        "Bits of held-out answers that tuning on one language saves against the untuned model, in "
        "percent: in that language (`own`), and the mean of the others (`other`). `all`: the mean "
        "over the variants tuned on one language.",
        {
            "held_out": "Held-out texts.",
            "model": "Base model.",
            "recipe": "Recipe.",
            "dataset": "Pool that was tuned on.",
            "tuned_in": "Language that was tuned on, or `all` of them.",
            "asked_in": "`own` or `other` languages.",
            "languages": "Pairs of a language tuned in and one asked in.",
            "saved": "Bits saved, in percent; below 0: more are needed.",
        }
        | ESTIMATE_COLUMNS,
        ("held_out", "model", "recipe", "dataset", "tuned_in", "asked_in"),
    )
    for texts in found:
        groups: dict[tuple[Any, ...], list[Variant]] = {}
        for variant in _in_order(study, texts):
            if variant.monolingual and base_of(study, variant) is not None:
                groups.setdefault(variant.comparable, []).append(variant)
        for (model, recipe, dataset), singles in groups.items():
            cells = {"held_out": texts.held_out, "model": model}
            cells |= {"recipe": recipe, "dataset": dataset}
            several = [(v.languages[0], [v]) for v in singles]
            several += [(ALL, singles)] if len(singles) > 1 else []
            for tuned, variants in several:
                for row in _transfer(study, texts, variants, bootstrap):
                    table.rows.append(cells | {"tuned_in": tuned} | row)
    return table


def _transfer(
    study: StudySet, texts: Texts, variants: Sequence[Variant], bootstrap: Bootstrap
) -> Iterator[dict[str, Any]]:
    base = base_of(study, variants[0])
    if base is None or base.name not in texts.bits:
        return
    for asked in ("own", "other"):
        cells = [
            (v.name, [lang])
            for v in variants
            for lang in texts.languages
            if (lang in v.languages) == (asked == "own")
        ]
        if cells and texts.ids:
            saved = texts.saving(bootstrap, cells, base.name)
            yield {"asked_in": asked, "languages": len(cells)} | estimate_cells(saved, "saved")
