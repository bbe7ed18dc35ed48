"""Parts of a source: a repository of the hub, and the map of a shape of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from .base import Section
from .where import Wanted, check_condition


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


def as_hub(value: object) -> object:
    return {"repo": value} if isinstance(value, str) else value


def is_default(default: object) -> Callable[[object], bool]:
    """Leave a setting out of a job's text where it is at its default."""
    return lambda value: value == default


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
    turns: str | list[str] | None = Field(
        default=None,
        description=(
            "A list of turns: texts (see `speakers`), or objects with a role and a text. Or "
            "several columns, one per turn: `[turn_1, turn_2]`."
        ),
    )
    speakers: Literal["alternate", "user"] | None = Field(
        default=None,
        exclude_if=is_default(None),
        description=(
            "Who speaks in `turns` of bare texts: `alternate` (the user begins; what is meant when "
            "left out) or `user`: all of them are the user's, as in MT-Bench. Such rows are "
            "questions, for the `source` of a benchmark. Rows that look like questions are refused "
            "until this says which."
        ),
    )
    category: str | None = Field(
        default=None,
        exclude_if=is_default(None),
        description="Of questions: the category, by which results are shown.",
    )
    reference: str | list[str] | None = Field(
        default=None,
        exclude_if=is_default(None),
        description=(
            "Of questions: the reference answers, a text, a list of one per turn, or several "
            "columns. A turn may have none."
        ),
    )
    role: str = Field(default="role", description="In a turn: who speaks.")
    content: str = Field(default="content", description="In a turn: what is said.")
    roles: dict[str, Literal["system", "user", "assistant"]] = Field(
        default_factory=dict,
        description=(
            "Names of speakers beside the usual ones (user, human, prompter; assistant, gpt, "
            "chatgpt, bing, bard, claude, ai, bot, chatbot, model; system), e.g. `{Kunde: user, "
            "Berater: assistant}`."
        ),
    )
    system: str | None = Field(
        default=None, description="A system prompt of the row; rows without one are fine."
    )
    where: dict[str, Wanted] = Field(
        default_factory=dict,
        description=(
            "Keep only rows that fit, e.g. `{lang: en, quality: [4, 5], score: '>= 0.5', "
            "turns: {min: 2, max: 8}}`: a value, a list of values, a comparison with a number or "
            "a date (`>=`, `>`, `<=`, `<`, `!=`) or a range. The others are counted."
        ),
    )

    @model_validator(mode="after")
    def _conditions(self) -> FieldMap:
        for path, wanted in self.where.items():
            check_condition(path, wanted)
        return self

    @model_validator(mode="after")
    def _one_form(self) -> FieldMap:
        if bool(self.prompt) == bool(self.turns):
            raise ValueError("give either `prompt` (with `answer`) or `turns`")
        if self.turns and self.answer:
            raise ValueError("`answer` goes with `prompt`; `turns` holds the answers itself")
        if self.speakers and not self.turns:
            raise ValueError("`speakers` goes with `turns`: a `prompt` is the user's")
        if self.answer and self.reference:
            raise ValueError("`answer` is the reference of a question already: leave one out")
        if self.reference and self.turns and self.speakers != "user":
            raise ValueError("`reference` beside `turns` needs `speakers: user`")
        return self

    def per_language(self) -> bool:
        """Whether one file holds several languages, told apart by a path or a value."""
        parts = [self.answer, self.content, *self.prompt, *self.turn_paths(), self.category]
        parts += self.reference_paths()
        parts += [v for v in self.where.values() if isinstance(v, str)]
        return any("{lang}" in part or "{LANG}" in part for part in parts if part)

    def turn_paths(self) -> list[str]:
        """The paths of `turns`: one to a list, or one per turn."""
        return as_paths(self.turns)

    def reference_paths(self) -> list[str]:
        """The paths of `reference`, likewise."""
        return as_paths(self.reference)

    @property
    def asks(self) -> bool:
        """Whether its rows are questions of a benchmark rather than conversations."""
        return self.speakers == "user" or self.category is not None or self.reference is not None


def as_paths(given: str | list[str] | None) -> list[str]:
    """One path or several, as a list."""
    return [given] if isinstance(given, str) else list(given or [])
