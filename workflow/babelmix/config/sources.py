"""`sources` and `datasets`: raw files, and the parallel pools made from them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from .audit import Audit, FailurePolicy
from .base import Lang, Name, Section
from .fields import FieldMap, Hub, as_hub, is_default

Adapter = Literal[
    "lima",
    "alpaca",
    "messages",
    "sharegpt",
    "guanaco",
    "parallel",
    "oasst",
    "alpaca_eval",
    "fields",
    "mt_bench",
    "mt_bench_x",
]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$")]
#: Adapters that read benchmark questions only.
QUESTION_ADAPTERS = ("mt_bench", "mt_bench_x")


class Source(Section):
    """Raw data as published, and the adapter that reads its shape."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = frozenset({"licence", "citation", "non_commercial"})

    builtin: str | None = Field(
        default=None,
        description=(
            "A source that this repository knows (`python -m babelmix sources` lists them); every "
            "other key given here goes before its entry, and a `path` replaces its place."
        ),
    )
    adapter: Adapter = Field(
        description=(
            "Shape of the file: `lima` (`conversations`, or instruction/output/history), `alpaca` "
            "(instruction/input/output, also Bactrian-X; or Dolly's instruction/context/response), "
            "`messages` (role/content), `sharegpt` (from/value), `guanaco` (one text with "
            "`### Human:`), `parallel` (one row, all languages), `oasst` (messages or trees of "
            "OpenAssistant, see `threads`), "
            "`alpaca_eval` (prompts only), `fields` (any other shape, by a map of `fields`), "
            "`mt_bench` and `mt_bench_x` (two-turn questions, references in "
            "`reference_answer/gpt-4.jsonl`)."
        )
    )
    fields: FieldMap | None = Field(
        default=None, description="For `adapter: fields`: where a row keeps its parts."
    )
    path: str | None = Field(
        default=None,
        description=(
            "Local file: JSON, JSONL, CSV, TSV (each also .gz), parquet or Arrow; or a folder that "
            "`save_to_disk` of the `datasets` library made (see `split`). `{data_root}` stands for "
            "the `data_root` key (or BABELMIX_DATA_ROOT), `{lang}` and `{LANG}` for the language "
            "code in small and capital letters; `*` takes several files, in order of name."
        ),
    )
    hub: Annotated[Hub | None, BeforeValidator(as_hub)] = Field(
        default=None,
        description=(
            "Where to fetch it when `path` is not given: a dataset's name on the hub "
            "(`CohereLabs/aya_dataset`), or a section where it needs more than that."
        ),
    )
    file: str | None = Field(
        default=None,
        description=(
            "File in the hub repository; may hold `{lang}`, `{LANG}` and `*`. Or give `split`, and "
            "the `datasets` library finds the files."
        ),
    )
    config: str | None = Field(
        default=None,
        exclude_if=is_default(None),
        description=(
            "With `hub` and `split`: the dataset's configuration (subset); may hold `{lang}`. Left "
            "out: its default one."
        ),
    )
    split: str | None = Field(
        default=None,
        exclude_if=is_default(None),
        description="Split of a hub dataset or of a folder that `save_to_disk` made, e.g. `train`.",
    )
    take: int | None = Field(
        default=None,
        ge=1,
        exclude_if=is_default(None),
        description=(
            "Only the first so many rows, in the files' order. Of a hub dataset with `split` they "
            "are streamed: only what they need is downloaded."
        ),
    )
    url: str | None = Field(
        default=None,
        description="Or a web address pinned to a revision; may hold `{lang}` or `{LANG}`.",
    )
    languages: list[Lang] = Field(
        default=["en"], min_length=1, description="Languages that the source itself holds."
    )
    sha256: dict[str, Digest] = Field(
        default_factory=dict,
        description=(
            "Expected SHA-256 by file name (or the end of its path), for each file; a fetch that "
            "differs is refused."
        ),
    )
    language_column: str | None = Field(
        default=None,
        exclude_if=is_default(None),
        description=(
            "For one file with several languages: the path to each row's language. Codes (ISO "
            "639-1, 639-3, BCP 47, FLORES: de, deu, de-DE, deu_Latn) and English names are "
            "understood; rows of languages that are not in `languages` are counted."
        ),
    )
    language_values: dict[Lang, str | list[str]] = Field(
        default_factory=dict,
        exclude_if=is_default({}),
        description=(
            "What `language_column` calls a language where that is neither code nor name, e.g. "
            "`{zh-Hant: Traditional Chinese}`."
        ),
    )
    tool_turns: Literal["leave_out", "drop", "mask", "keep"] = Field(
        default="leave_out",
        exclude_if=is_default("leave_out"),
        description=(
            "Dialogues with calls of tools: `leave_out` the row; `drop` calls and results and keep "
            "the rest; `keep` them as turns (calls are trained on, in `<tool_call>` tags as Hermes "
            "and Qwen write them; results have the role `tool`; definitions of tools stand in "
            "`<tools>` tags at the end of the system message); or `mask`: the same, but calls are "
            "context and not trained on. Neither is translated."
        ),
    )
    odd_ends: Literal["leave_out", "trim"] = Field(
        default="leave_out",
        exclude_if=is_default("leave_out"),
        description=(
            "Dialogues that open with an answer or close with a question: `leave_out` the row, or "
            "`trim` those turns (counted)."
        ),
    )
    id_prefix: str = Field(
        default="",
        description=(
            "Put before every id, the rows' own or (where they have none) their numbers: `lima-`."
        ),
    )
    duplicate_ids: Literal["error", "keep_first", "number"] = Field(
        default="error",
        exclude_if=is_default("error"),
        description=(
            "When an id occurs again: `error`; `keep_first` of the rows; or `number` the later "
            "ones (`a`, `a-2`, `a-3`). Both are counted."
        ),
    )
    alignment: Literal["check", "trust"] = Field(
        default="check",
        exclude_if=is_default("check"),
        description=(
            "Rows without ids pair by their place in the files. `check`: what is the same in "
            "translations (numbers, names, addresses, lengths) must show that they do; `trust`: "
            "only the numbers of rows must be equal."
        ),
    )
    threads: Literal["first_turn", "best_path", "all_paths"] = Field(
        default="first_turn",
        description=(
            "`oasst` only: `first_turn` (first message and its answer of rank 0), `best_path` "
            "(the whole thread, always the best ranked message) or `all_paths` (every thread that "
            "ends in an answer)."
        ),
    )
    single_turn_only: bool = Field(
        default=False, description="Leave out conversations of more than one turn pair (counted)."
    )
    exclude_subsets: list[str] = Field(
        default_factory=list,
        description="`alpaca_eval` only: leave out these parts, e.g. [oasst] gives 617 prompts.",
    )
    question_version: Literal["corrected", "original"] = Field(
        default="corrected",
        description="`mt_bench_x` only: the questions as humans corrected them, or as translated.",
    )
    mend_references: bool = Field(
        default=False,
        description=(
            "`mt_bench` and `mt_bench_x`: put the English code back into translated references, "
            "and the question's own answer in place of a reference known to be wrong. Known "
            "defects are listed in the report either way."
        ),
    )
    expected_rows: int | None = Field(
        default=None,
        ge=1,
        description="Rows that it should give in its first language; the report says if not.",
    )
    licence: str = Field(description="Licence as its publisher states it; printed in the report.")
    non_commercial: bool = Field(
        default=False,
        description="True when the licence forbids commercial use; the report says so.",
    )
    citation: str = Field(default="", description="Whom to cite; printed in the report.")

    @property
    def prompts_only(self) -> bool:
        """Whether its rows are prompts without answers."""
        if self.fields is not None:
            return self.fields.answer is None and self.fields.turns is None
        return self.adapter == "alpaca_eval"

    @property
    def pivot(self) -> str:
        """The language that questions are translated from: English where it is held."""
        return "en" if "en" in self.languages else self.languages[0]

    @property
    def holds_questions(self) -> bool:
        """Whether its rows are questions of a benchmark, and no conversations."""
        return self.adapter in QUESTION_ADAPTERS or (self.fields is not None and self.fields.asks)

    @model_validator(mode="before")
    @classmethod
    def _revision_beside_the_name(cls, given: Any) -> Any:
        """Read `{hub: owner/name, revision: …}` as `{hub: {repo: owner/name, revision: …}}`."""
        if isinstance(given, dict) and isinstance(given.get("hub"), str) and "revision" in given:
            hub = {"repo": given["hub"], "revision": given["revision"]}
            given = {k: v for k, v in given.items() if k != "revision"} | {"hub": hub}
        return given

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if sum(place is not None for place in (self.path, self.hub, self.url)) != 1:
            raise ValueError("give exactly one of `path` (local), `hub` (a repository) and `url`")
        if self.hub is not None and (self.file is None) == (self.split is None):
            raise ValueError(
                "`hub` needs either `split` (e.g. train; with `config` where it has several), or "
                "`file`, the file's path in the repository"
            )
        if self.config is not None and (self.hub is None or self.split is None):
            raise ValueError("`config` goes with `hub` and `split`")
        if self.split is not None and self.url is not None:
            raise ValueError("`split` is for `hub` or a folder made by `save_to_disk`")
        place = self.path or self.file or self.url or f"{self.config} {self.split}"
        per_language = "{lang}" in place or "{LANG}" in place or self.adapter == "parallel"
        per_language = per_language or (self.fields is not None and self.fields.per_language())
        per_language = per_language or self.language_column is not None
        if len(self.languages) > 1 and not per_language:
            raise ValueError(
                "several `languages` need `{lang}` or `{LANG}` in the path (one file per "
                "language), or `language_column` (one file, each row says its language)"
            )
        if self.language_values and self.language_column is None:
            raise ValueError("`language_values` goes with `language_column`")
        if unknown := set(self.language_values) - set(self.languages):
            raise ValueError(f"`language_values` names {sorted(unknown)}, not in `languages`")
        return self

    @model_validator(mode="after")
    def _options_of_the_adapter(self) -> Source:
        if (self.adapter == "fields") != (self.fields is not None):
            raise ValueError("`adapter: fields` and `fields` (its map) go together")
        own = {
            "threads": ("oasst",),
            "exclude_subsets": ("alpaca_eval",),
            "question_version": ("mt_bench_x",),
            "mend_references": QUESTION_ADAPTERS,
            "tool_turns": ("messages", "sharegpt", "lima", "fields"),
        }
        if self.language_column and self.adapter in ("oasst", "parallel", *QUESTION_ADAPTERS):
            raise ValueError(f"`language_column` is not for `adapter: {self.adapter}`")
        for name, adapters in own.items():
            default = type(self).model_fields[name].get_default(call_default_factory=True)
            if self.adapter not in adapters and getattr(self, name) != default:
                raise ValueError(f"`{name}` is for `adapter: {' / '.join(adapters)}` only")
        return self


class Dataset(Section):
    """A pool: the same ids in every language, or (`parallel: false`) each with its own rows."""

    sources: list[Name] = Field(min_length=1, description="Sources whose rows are put together.")
    languages: list[Lang] = Field(min_length=1, description="Languages of the pool.")
    pivot: Lang = Field(default="en", description="Language that is translated from.")
    parallel: bool = Field(
        default=True,
        exclude_if=is_default(True),
        description=(
            "False for a pool whose languages are no translations of each other (Aya, WildChat): "
            "each has its own rows, whose ids become `{lang}:{id}`. `rows`, `fraction`, "
            "`max_chars` and `dev_rows` then count in each language; there is no pivot."
        ),
    )
    translator: Name | dict[Lang, Name] | None = Field(
        default=None,
        description=(
            "Translator for languages that the sources do not hold: one name for all, or one a "
            "language. Not needed when the sources hold every language."
        ),
    )
    rows: int | None = Field(
        default=None,
        ge=1,
        description="Keep this many rows, drawn by `seed` (the same ids in all languages).",
    )
    fraction: float | None = Field(
        default=None, gt=0, le=1, description="Or keep this share of the rows, drawn the same way."
    )
    max_chars: int | None = Field(
        default=None,
        ge=1,
        description="Leave out conversations longer than this in the pivot language (counted).",
    )
    dev_rows: int = Field(
        default=0, ge=0, description="Rows held out for the dev loss, drawn by `seed`."
    )
    seed: int = Field(default=0, description="Seed of the draw of rows and of the dev split.")
    shards: int = Field(
        default=1,
        ge=1,
        le=4096,
        description="Translation jobs a language. Choose so that one takes minutes, not seconds.",
    )
    on_failed_check: FailurePolicy = Field(
        default="quarantine_all",
        description=(
            "What to do with a row whose translation fails a check: `keep` it; `quarantine`: leave "
            "it out in that language; `quarantine_all`: leave its id out in all languages of a "
            "mixture family, so that the family's mixtures share their ids. One word for all "
            "checks, or a mapping of checks to words, e.g. {default: quarantine_all, numbers: "
            "keep, task: quarantine_all}. Rows with the flag `task` are kept unless it is named."
        ),
    )
    audit: Audit = Field(default=Audit(), description="What the audit looks at besides its rules.")
    corrections: str | None = Field(
        default=None,
        description=(
            "Overlay of human corrections (JSONL or CSV), put over the translations before the "
            "audit; may hold `{data_root}` and `{lang}`."
        ),
    )
    on_contamination: Literal["error", "leave_out", "keep"] = Field(
        default="error",
        description=(
            "What to do with an id that is, or nearly is, a question of a benchmark that the "
            "models are asked: `error` fails the run with the list; `leave_out` (a benchmark that "
            "is added then trains anew); or `keep` it, counted in the manifest."
        ),
    )
    similarity: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Share of a question's three-word runs in a user turn that counts as a copy.",
    )

    @model_validator(mode="after")
    def _one_size(self) -> Dataset:
        if self.rows is not None and self.fraction is not None:
            raise ValueError("give `rows` or `fraction`, not both")
        return self

    @model_validator(mode="after")
    def _without_a_pivot(self) -> Dataset:
        if self.parallel:
            return self
        audit = self.audit
        given = {
            "translator": self.translator,
            "corrections": self.corrections,
            "audit.quality": audit.quality,
            "audit.round_trip": audit.round_trip,
            "audit.held: translation": audit.held == "translation",
        }
        if "pivot" in self.model_fields_set:
            given["pivot"] = self.pivot
        if odd := [name for name, value in given.items() if value]:
            raise ValueError(
                f"`{odd[0]}` compares languages, but `parallel: false` says that they are no "
                "translations of each other. Remove one of the two"
            )
        return self
