"""`sources` and `datasets`: raw files, and the parallel pools made from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from .audit import Audit, FailurePolicy
from .base import Lang, Name, Section

Adapter = Literal[
    "lima",
    "alpaca",
    "messages",
    "sharegpt",
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


class Hub(Section):
    """A dataset repository on the Hugging Face Hub."""

    repo: str = Field(description="Owner and name, e.g. GAIR/lima.")
    revision: str = Field(
        default="main",
        description=(
            "Commit to fetch. Pin a commit hash: `main` may change under you (the fetch warns and "
            "records the commit it got). `refs/convert/parquet` is the hub's own conversion to "
            "parquet, there for almost every dataset."
        ),
    )
    gated: bool = Field(
        default=False, description="True when the terms must be accepted on its page first."
    )
    token_env: str = Field(
        default="HF_TOKEN", description="Environment variable that holds the access token."
    )


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class FieldMap(Section):
    """Where rows of a shape of their own keep their parts.

    Each value is a path: names joined by dots step into objects, whole numbers into lists
    (`instances.0.output`, `messages.-1.content`), and `{lang}` or `{LANG}` stands for the language.
    Give `prompt` (with `answer`) or `turns`.
    """

    id: str | None = Field(
        default=None, description="The row's id; left out, rows are numbered after `id_prefix`."
    )
    prompt: Annotated[list[str], BeforeValidator(_as_list)] = Field(
        default_factory=list,
        description=(
            "The user's text: one path, or several whose texts are joined by a blank line (all but "
            "the first may be missing or empty in a row)."
        ),
    )
    answer: str | None = Field(
        default=None, description="The assistant's text. Without it the rows are prompts alone."
    )
    turns: str | None = Field(
        default=None,
        description="A list of turns: texts (the user begins), or objects with a role and a text.",
    )
    role: str = Field(default="role", description="In a turn: who speaks.")
    content: str = Field(default="content", description="In a turn: what is said.")
    roles: dict[str, Literal["system", "user", "assistant"]] = Field(
        default_factory=dict,
        description=(
            "Names of speakers beside the usual ones (user, human, prompter; assistant, gpt, "
            "chatgpt, bot, model; system), e.g. `{Kunde: user, Berater: assistant}`."
        ),
    )
    system: str | None = Field(
        default=None, description="A system prompt of the row; rows without one are fine."
    )
    where: dict[str, str | int | bool | list[str | int]] = Field(
        default_factory=dict,
        description=(
            "Keep only rows with these values, e.g. `{lang: en, quality: [4, 5]}`; the others are "
            "counted."
        ),
    )

    @model_validator(mode="after")
    def _one_form(self) -> FieldMap:
        if bool(self.prompt) == bool(self.turns):
            raise ValueError("give either `prompt` (with `answer`) or `turns`")
        if self.turns and self.answer:
            raise ValueError("`answer` goes with `prompt`; `turns` holds the answers itself")
        return self

    def per_language(self) -> bool:
        """Whether one file holds several languages, told apart by a path or a value."""
        parts = [self.answer, self.turns, self.content, *self.prompt]
        parts += [v for v in self.where.values() if isinstance(v, str)]
        return any("{lang}" in part or "{LANG}" in part for part in parts if part)


class Source(Section):
    """Raw data as published, and the adapter that reads its shape."""

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
            "`messages` (role/content), `sharegpt` (from/value), `parallel` (one row, all "
            "languages), `oasst` (messages or trees of OpenAssistant, see `threads`), "
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
            "Local file: JSON, JSONL, CSV, TSV (each also .gz), parquet or Arrow. `{data_root}` "
            "stands for the `data_root` key (or BABELMIX_DATA_ROOT), `{lang}` and `{LANG}` for the "
            "language code in small and capital letters; `*` takes several files, in order of name."
        ),
    )
    hub: Hub | None = Field(default=None, description="Where to fetch it when `path` is not given.")
    file: str | None = Field(
        default=None,
        description="File in the hub repository; may hold `{lang}`, `{LANG}` and `*`.",
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
    id_prefix: str = Field(
        default="",
        description="Put before row numbers where rows have no id of their own, e.g. `lima-`.",
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

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if sum(place is not None for place in (self.path, self.hub, self.url)) != 1:
            raise ValueError("give exactly one of `path` (local), `hub` (a repository) and `url`")
        if self.hub is not None and self.file is None:
            raise ValueError("`hub` needs `file`, the file's path in the repository")
        place = self.path or self.file or self.url or ""
        per_language = "{lang}" in place or "{LANG}" in place or self.adapter == "parallel"
        per_language = per_language or (self.fields is not None and self.fields.per_language())
        if len(self.languages) > 1 and not per_language:
            raise ValueError(
                "several `languages` need `{lang}` or `{LANG}` in the path (one file a language)"
            )
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
        }
        for name, adapters in own.items():
            default = type(self).model_fields[name].get_default(call_default_factory=True)
            if self.adapter not in adapters and getattr(self, name) != default:
                raise ValueError(f"`{name}` is for `adapter: {' / '.join(adapters)}` only")
        return self


class Dataset(Section):
    """A parallel pool: the same ids in every language."""

    sources: list[Name] = Field(min_length=1, description="Sources whose rows are put together.")
    languages: list[Lang] = Field(min_length=1, description="Languages of the pool.")
    pivot: Lang = Field(default="en", description="Language that is translated from.")
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
