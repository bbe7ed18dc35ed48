"""`sources` and `datasets`: raw files, and the parallel pools made from them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .base import Lang, Name, Section

Adapter = Literal[
    "lima", "alpaca", "messages", "parallel", "oasst", "alpaca_eval", "mt_bench", "mt_bench_x"
]


class Hub(Section):
    """A dataset repository on the Hugging Face Hub."""

    repo: str = Field(description="Owner and name, e.g. GAIR/lima.")
    revision: str = Field(
        default="main",
        description="Commit to fetch. Pin a commit hash: `main` may change under you.",
    )
    gated: bool = Field(
        default=False, description="True when the terms must be accepted on its page first."
    )
    token_env: str = Field(
        default="HF_TOKEN", description="Environment variable that holds the access token."
    )


class Source(Section):
    """Raw data as published, and the adapter that reads its shape."""

    adapter: Adapter = Field(
        description=(
            "Shape of the file: `lima` (`conversations` or instruction/input/output/history), "
            "`alpaca` (instruction/input/output, also Dolly and Bactrian-X), `messages` "
            "(role/content turns), `parallel` (one row, all languages), `oasst` (messages; first "
            "English turn with its rank-0 answer), `alpaca_eval` (prompts only), `mt_bench` and "
            "`mt_bench_x` (two-turn questions, references in `reference_answer/gpt-4.jsonl`)."
        )
    )
    path: str | None = Field(
        default=None,
        description=(
            "Local file. `{data_root}` stands for the `data_root` key (or BABELMIX_DATA_ROOT), "
            "`{lang}` and `{LANG}` for the language code in small and capital letters."
        ),
    )
    hub: Hub | None = Field(default=None, description="Where to fetch it when `path` is not given.")
    file: str | None = Field(
        default=None, description="File in the hub repository; may hold `{lang}` or `{LANG}`."
    )
    url: str | None = Field(
        default=None,
        description="Or a web address pinned to a revision; may hold `{lang}` or `{LANG}`.",
    )
    languages: list[Lang] = Field(
        default=["en"], min_length=1, description="Languages that the source itself holds."
    )
    sha256: dict[str, str] = Field(
        default_factory=dict,
        description="Expected SHA-256 by file name; a fetch that differs is refused.",
    )
    id_prefix: str = Field(
        default="",
        description="Put before row numbers where rows have no id of their own, e.g. `lima-`.",
    )
    single_turn_only: bool = Field(
        default=False, description="Leave out conversations of more than one turn pair (counted)."
    )
    exclude_subsets: list[str] = Field(
        default_factory=list,
        description="`alpaca_eval` only: leave out these parts, e.g. [oasst] gives 617 prompts.",
    )
    licence: str = Field(description="Licence as its publisher states it; printed in the report.")
    non_commercial: bool = Field(
        default=False,
        description="True when the licence forbids commercial use; the report says so.",
    )
    citation: str = Field(default="", description="Whom to cite; printed in the report.")

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if sum(place is not None for place in (self.path, self.hub, self.url)) != 1:
            raise ValueError("give exactly one of `path` (local), `hub` (a repository) and `url`")
        if self.hub is not None and self.file is None:
            raise ValueError("`hub` needs `file`, the file's path in the repository")
        place = self.path or self.file or self.url or ""
        per_language = "{lang}" in place or "{LANG}" in place
        if len(self.languages) > 1 and not per_language and self.adapter != "parallel":
            raise ValueError(
                "several `languages` need `{lang}` or `{LANG}` in the path (one file a language)"
            )
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
    on_failed_check: Literal["keep", "quarantine", "quarantine_all"] = Field(
        default="quarantine_all",
        description=(
            "What to do with a row whose translation fails a check: keep it; leave it out in that "
            "language; or leave its id out in all languages, which keeps the pool parallel."
        ),
    )
