"""What every section of the configuration shares: closed models and the form of names."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

#: A name chosen by the user: part of file names and of run names, so no dots, slashes or spaces.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
#: A language code: ISO 639-1 (or 639-3 where there is none), with an optional script or region.
Lang = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")]
#: What a row's text is in: a language, or two. `de_to_en`: asked in German, answered in English;
#: `en_on_de`: an English instruction on a German input, answered in German; `de_with_en`: asked in
#: German with English sentences in it, answered in German.
RowLang = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?(_(to|on|with)_[a-z]{2,3}(-[A-Za-z0-9]{2,8})?)?$"
    ),
]


def languages_of(code: str) -> tuple[str, ...]:
    """The language of a row, or its two languages in the order of its code."""
    parts = code.split("_")
    return (parts[0],) if len(parts) == 1 else (parts[0], parts[2])


def _mark_execution_only(schema: dict[str, Any], section: type[Section]) -> None:
    """Say in the schema which keys make nothing again (an editor shows it)."""
    for name in sorted(section.EXECUTION_ONLY & schema.get("properties", {}).keys()):
        schema["properties"][name]["x-reruns"] = "nothing"


class Section(BaseModel):
    """A closed section: a key that no field knows is an error, never ignored."""

    model_config = ConfigDict(
        extra="forbid",
        defer_build=True,
        frozen=True,
        allow_inf_nan=False,
        json_schema_extra=_mark_execution_only,
    )

    #: Fields that say where, how fast, for how much or under which terms: they change no result
    #: (beyond rounding), so changing one makes nothing again.
    EXECUTION_ONLY: ClassVar[frozenset[str]] = frozenset()

    def without_execution_settings(self) -> Self:
        """Return this section with all that changes no result at its default.

        Reruns depend on it. A field that has no default (a server's address) is empty.
        """
        fields = type(self).model_fields
        neutral = {
            name: ""
            if fields[name].is_required()
            else fields[name].get_default(call_default_factory=True)
            for name in self.EXECUTION_ONLY
        }
        return self.model_copy(update=neutral)

    def with_execution_settings(self, other: Section) -> Self:
        """Return this section with the execution settings of another of its kind."""
        return self.model_copy(update={n: getattr(other, n) for n in self.EXECUTION_ONLY})
