"""`mixtures`: families that expand into named language mixtures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Lang, Name
from .fields import is_default
from .selection import Budget, Filter, Shaped, Share, Weight


class _Family(Budget, Shaped):
    dataset: Name = Field(description="Pool that the rows come from.")
    seed: int = Field(
        default=0, description="Seed of which id takes which language, and of the languages' order."
    )
    rows_seed: int = Field(
        default=0,
        description="Seed of the draw of ids under a budget; equal seeds share their ids.",
    )
    tokenizer: Name | None = Field(
        default=None, description="Model whose tokenizer counts; needed with `tokens`."
    )
    filter: list[Filter] = Field(
        default_factory=list,
        description="Keep only ids that measure well in all languages of the family.",
    )
    parallel_over: list[Lang] | None = Field(
        default=None,
        description=(
            "Languages in which a failed check can put an id out altogether. Left out: all of the "
            "family's under `quarantine_all` or with a `filter`, else the mixture's own. Families "
            "that are to share their ids name the same languages."
        ),
    )

    @model_validator(mode="after")
    def _one_budget(self) -> _Family:
        if self.budgets > 1:
            raise ValueError("give one of `rows`, `fraction` and `tokens`, not several")
        if (self.tokens is None) != (self.tokenizer is None):
            raise ValueError("`tokens` and `tokenizer` go together")
        return self


RowsByLanguage = dict[Lang, Annotated[int, Field(ge=1, strict=True)]]


class _Shared(_Family):
    """A family whose mixtures divide a budget among languages."""

    repeat: bool = Field(
        default=False,
        exclude_if=is_default(False),
        description=(
            "Of a pool that is not parallel: repeat the rows of a language that has fewer than its "
            "share of `rows` or `tokens`; false: an error."
        ),
    )


class Monolingual(_Family):
    """One mixture per language: `{family}-DE`."""

    policy: Literal["monolingual"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=1, description="One mixture for each of these.")
    rows: Annotated[int, Field(ge=1, strict=True)] | RowsByLanguage | None = Field(  # type: ignore[assignment]
        default=None,
        description="Budget in rows: one for all, or one per language, {en: 60, de: 10}.",
    )


class Parallel(_Family):
    """Every id in every language: `{family}-ENDEFRITES`."""

    policy: Literal["parallel"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages of the mixture.")


#: Weights of a mixture's languages: by name, or in the order of `languages`.
Weights = dict[Lang, Share] | list[Share]


class Sampled(_Shared):
    """Every id once, the languages in equal or given shares: `{family}-ENDEFRITES-sampled`.

    Several weightings make one mixture each, named by their shares: `{family}-EN75-DE25`.
    """

    policy: Literal["sampled"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages of the mixture.")
    rows: Annotated[int, Field(ge=1, strict=True)] | RowsByLanguage | None = Field(  # type: ignore[assignment]
        default=None,
        description=(
            "Budget in rows; left out: the whole pool. Or the rows of each language, "
            "{en: 60, de: 10}, in place of `weights`."
        ),
    )
    weights: Weights | list[Weights] | Literal["pretraining_share", "size"] | None = Field(
        default=None,
        description=(
            "Relative share of each language, by name or in the order of `languages`; several in a "
            "list, such as [[1, 0], [3, 1], [1, 1]], for a grid; `pretraining_share` (of "
            "`languages`, where it is given); `size` (rows that the pool has in each language; "
            "with a budget in `tokens` the tokens that it has); left out: equal shares."
        ),
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        description="Shares go with weight^(1/temperature): 1 as given, the higher the more even.",
    )

    @model_validator(mode="after")
    def _shares(self) -> Sampled:
        if isinstance(self.rows, dict):
            if set(self.rows) != set(self.languages):
                raise ValueError("`rows` by language: give one number for each of `languages`")
            if self.weights is not None:
                raise ValueError("`rows` by language are the shares: leave `weights` out")
        if self.temperature != 1 and self.weights is None:
            raise ValueError(
                "`temperature` changes `weights`, and there are none: give `weights: size` (of a "
                "pool that is not parallel), `pretraining_share`, or one for each language"
            )
        for weights in self.grid:
            if len(weights) != len(self.languages) or (
                isinstance(weights, dict) and set(weights) != set(self.languages)
            ):
                raise ValueError("`weights`: give one weight for each of its `languages`")
            if not any(weights.values() if isinstance(weights, dict) else weights):
                raise ValueError("`weights`: at least one must be above 0")
            if not self.is_grid and len(self.named_weights(weights)) < len(self.languages):
                raise ValueError(
                    "`weights`: a weight of 0 takes no row. Leave the language out of `languages`, "
                    "or write a grid of several weightings"
                )
        return self

    @property
    def grid(self) -> list[dict[str, float] | list[float]]:
        """The weightings that are written out."""
        if isinstance(self.weights, dict):
            return [self.weights]
        if not isinstance(self.weights, list):
            return []
        if all(isinstance(w, int | float) for w in self.weights):
            return [self.weights]  # type: ignore[list-item]
        return self.weights  # type: ignore[return-value]

    def named_weights(self, weights: dict[str, float] | list[float]) -> dict[str, float]:
        """One weighting by language; languages of no share are left out."""
        by_name = (
            weights
            if isinstance(weights, dict)
            else dict(zip(self.languages, weights, strict=True))
        )
        return {c: float(by_name[c]) for c in self.languages if by_name[c]}

    @property
    def is_grid(self) -> bool:
        """Whether it makes several mixtures, named by their shares."""
        return isinstance(self.weights, list) and not isinstance(self.weights[0], int | float)


class Nine(_Family):
    """Study 1's nine: each language alone; all, and all but the first, parallel and sampled."""

    policy: Literal["nine"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=3, description="All languages; the main one first.")


class Pinch(_Shared):
    """P percent spread evenly over `languages`, the rest in `main`: `{family}-p10`."""

    policy: Literal["pinch"] = Field(description="Policy.")
    main: Lang = Field(default="en", description="Language of the remaining rows.")
    languages: list[Lang] = Field(
        min_length=1,
        description=(
            "Languages of the pinch; study 2 counts the main one among them. One other language "
            "and a grid of `percent` from 0 to 100 sweep the ratio of two languages."
        ),
    )
    percent: list[float] = Field(
        default_factory=list, description="Grid of P, each in 0 … 100; one mixture each."
    )
    pinch_rows: list[int] = Field(
        default_factory=list, description="Or absolute numbers of rows: `{family}-1row`."
    )
    nested: bool = Field(
        default=True,
        description="Rows of a smaller pinch are among those of a larger one; false: fresh draws.",
    )

    @model_validator(mode="after")
    def _grid(self) -> Pinch:
        if not self.percent and not self.pinch_rows:
            raise ValueError("give `percent` or `pinch_rows`, or both")
        if any(not 0 <= p <= 100 for p in self.percent):
            raise ValueError("every `percent` lies between 0 and 100")
        if any(n < 0 for n in self.pinch_rows):
            raise ValueError("every `pinch_rows` is 0 or more")
        if self.languages == [self.main]:
            raise ValueError(f"`languages` holds `main: {self.main}` alone: nothing is mixed")
        return self


class KLanguages(_Shared):
    """The first k of seeded permutations of `languages`, equal shares: `{family}-AR-FI`."""

    policy: Literal["k_languages"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages to draw from.")
    k: list[int] = Field(min_length=1, description="Numbers of languages.")
    permutations: int = Field(default=3, ge=1, description="How many orders are drawn by `seed`.")
    orders: list[list[Lang]] | None = Field(
        default=None, description="Orders to use in place of drawn ones (e.g. a paper's own)."
    )

    @model_validator(mode="after")
    def _sizes(self) -> KLanguages:
        if any(not 1 <= k <= len(self.languages) for k in self.k):
            raise ValueError("every `k` lies between 1 and the number of languages")
        if self.orders and any(sorted(o) != sorted(self.languages) for o in self.orders):
            raise ValueError("each of `orders` holds exactly the `languages`")
        return self


class Pairs(_Shared):
    """Half one language, half another: `{family}-EN-RU`."""

    policy: Literal["pairs"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages to draw pairs from.")
    count: int = Field(default=6, ge=1, description="How many pairs are drawn by `seed`.")
    pairs: list[tuple[Lang, Lang]] | None = Field(
        default=None, description="Pairs to use in place of drawn ones."
    )


class Random(_Family):
    """Random (id, language) pairs, each once: `{family}-ENDEFRITES-random`.

    An id may come in several languages, and in none; shares are even up to chance.
    """

    policy: Literal["random"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages to draw from.")


class CrossLingual(_Family):
    """Asked in one language and answered in another, each id once: `{family}`."""

    policy: Literal["cross_lingual"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages of questions and answers.")
    pairs: list[tuple[Lang, Lang]] | None = Field(
        default=None,
        min_length=1,
        description=(
            "Languages of question and answer, e.g. [[de, en], [en, de]], in equal shares; left "
            "out: every two of `languages`, both ways. [de, de] is a plain German row."
        ),
    )
    prompt: Literal["whole", "instruction"] = Field(
        default="whole",
        description=(
            "`whole`: the question in the first language. `instruction`: only its first paragraph; "
            "what follows (the input) is in the answer's language, as in xP3's English prompts."
        ),
    )

    @model_validator(mode="after")
    def _known(self) -> CrossLingual:
        others = {c for pair in self.pairs or [] for c in pair} - set(self.languages)
        if others:
            raise ValueError(f"`pairs`: {sorted(others)} are not among its `languages`")
        return self


class CodeSwitched(_Family):
    """Questions in `main` with sentences of other languages, answers in `main`: `{family}`."""

    policy: Literal["code_switched"] = Field(description="Policy.")
    main: Lang = Field(description="Language of the answers and of most of a question.")
    languages: list[Lang] = Field(
        min_length=1, description="Languages of the other sentences, in equal shares."
    )

    @model_validator(mode="after")
    def _others(self) -> CodeSwitched:
        if self.main in self.languages:
            raise ValueError(f"`languages`: leave `main: {self.main}` out")
        return self


class Part(Budget):
    """One part of a union: another mixture, and how much of it."""

    mixture: Name = Field(description="Name of a single mixture, e.g. `lima-x-EN`, or of a union.")
    weight: Weight | None = Field(
        default=None,
        description="Or its share of the union's rows (or tokens), relative to the other parts.",
    )


class Union(Shaped):
    """Rows of several mixtures, of one or several pools: `{family}`."""

    policy: Literal["union"] = Field(description="Policy.")
    parts: list[Part] = Field(min_length=2, description="The mixtures, each with its budget.")
    rows: int | None = Field(
        default=None,
        ge=1,
        strict=True,
        description=(
            "With `weight`s: rows of the whole union; left out (and no `tokens`): as many as can "
            "be had without repeating a row."
        ),
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        strict=True,
        description="With `weight`s: or tokens of the whole union, as `tokenizer` counts them.",
    )
    weights: Literal["size"] | None = Field(
        default=None,
        description="`size`: weigh the parts by their rows; they then need no `weight`.",
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        description="Shares go with weight^(1/temperature): 1 as given, the higher the more even.",
    )
    repeat: bool = Field(
        default=False,
        description="With `weight`s: repeat the rows of a part that has too few; false: an error.",
    )
    ids: Literal["once", "any"] = Field(
        default="once",
        description=(
            "`once`: parts of one pool share no id, so that no text is there in two languages; "
            "each takes the ids that the parts before it left. `any`: they may."
        ),
    )
    tokenizer: Name | None = Field(
        default=None, description="Model whose tokenizer counts; needed with `tokens`."
    )

    @model_validator(mode="after")
    def _whole(self) -> Union:
        given = [p.budgets + (p.weight is not None) for p in self.parts]
        weighted = self.weights == "size" or any(p.weight is not None for p in self.parts)
        if self.weights == "size" and any(given):
            raise ValueError(
                "with `weights: size` the parts have no `weight` or budget of their own"
            )
        if weighted and self.weights is None and any(p.weight is None for p in self.parts):
            raise ValueError("give a `weight` to every part, or to none")
        if self.weights is None and any(n != 1 for n in given):
            raise ValueError(
                "give each part exactly one of `rows`, `fraction`, `tokens` and `weight`"
            )
        if not weighted and (self.rows or self.tokens or self.repeat or self.temperature != 1):
            raise ValueError(
                "`rows`, `tokens`, `repeat` and `temperature` of a union go with the parts' "
                "`weight`s (or `weights: size`); without them each part says its own size"
            )
        if self.rows and self.tokens:
            raise ValueError("give one of `rows` and `tokens`, not both")
        counts = self.tokens is not None or any(p.tokens is not None for p in self.parts)
        if counts and self.tokenizer is None:
            raise ValueError("`tokens` need the union's `tokenizer`")
        return self


#: A family that draws from one pool.
PoolFamily = (
    Monolingual
    | Parallel
    | Sampled
    | Nine
    | Pinch
    | KLanguages
    | Pairs
    | Random
    | CrossLingual
    | CodeSwitched
)
Family = Annotated[PoolFamily | Union, Field(discriminator="policy")]
