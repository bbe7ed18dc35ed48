"""A local sequence-to-sequence translation model: NLLB, M2M100, MADLAD, OPUS-MT and their kin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...config.translators import Seq2SeqTranslator
from ...errors import BabelmixError
from ...specs import TranslateSpec
from .base import Failure, Limits, Result, Unit
from .codes import backend_code

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Texts handed over at once: enough to sort by length, few enough to lose little in a kill.
_TEXTS_A_CALL = 256


class Engine(Protocol):
    """Runs token batches through a model."""

    def generate(self, batch: list[list[int]]) -> list[list[int]]:
        """Source tokens -> tokens of the best translation, without what opens and ends them."""
        ...


class Seq2SeqBackend:
    """Tokenises, batches by tokens with like lengths together, generates, and reads the text back.

    A translation may differ in rare cases with the batch it was made in (rounding, under beams);
    the journal keeps what came first.
    """

    journalled = True
    concurrency = 1
    by_length = True
    batch_dependent = False

    def __init__(
        self,
        translator: Seq2SeqTranslator,
        name: str,
        pivot: str,
        lang: str,
        codes: dict[str, str],
        pivot_codes: dict[str, str] | None = None,
    ) -> None:
        self.where = f"translators.{name}"
        self.unit: Unit = translator.unit
        self.limits = Limits(text_chars=translator.max_chars, batch_texts=_TEXTS_A_CALL)
        self._translator = translator
        self._model = fill_in(translator.model, pivot, lang)
        self._tokenizer = self._load_tokenizer(pivot, lang)
        self._source = backend_code(translator.family, pivot, pivot_codes or {}, self.where)
        self._target = backend_code(translator.family, lang, codes, self.where)
        self._prefix, self._forced = self._opening()
        self._engine: Engine | None = None
        self.settings: dict[str, Any] = {
            "backend": "seq2seq",
            "model": self._model,
            "revision": translator.revision,
            "engine": translator.engine,
            "dtype": translator.dtype,
            "beams": translator.beams,
            "max_tokens": translator.max_tokens,
            "source": self._source,
            "target": self._target,
        }

    # --- languages -------------------------------------------------------------------------------

    def _opening(self) -> tuple[str, int | None]:
        """What stands before each text, and the token that each translation must open with.

        Raises BabelmixError when the model does not know the language.
        """
        family = self._translator.family
        if family in ("nllb", "m2m100"):
            self._tokenizer.src_lang = self._known(self._source)
            return "", self._token(self._known(self._target))
        if family == "madlad":
            self._token(f"<2{self._target}>")
            return f"<2{self._target}> ", None
        several = [t for t in self._tokenizer.get_vocab() if t.startswith(">>")]
        if not several:
            return "", None  # one pair a model
        self._token(f">>{self._target}<<")
        return f">>{self._target}<< ", None

    def _known(self, code: str) -> str:
        """A language of the tokenizer, by its own name of it; checked to be one."""
        self._token(self._spelt(code))
        return code

    def _spelt(self, code: str) -> str:
        return f"__{code}__" if self._translator.family == "m2m100" else code

    def _token(self, token: str) -> int:
        spelt = self._spelt(token) if not token.startswith(("<", ">", "__")) else token
        found = self._tokenizer.get_vocab().get(spelt)
        if found is None:
            raise BabelmixError(
                f"{self.where}: {self._model} has no language token '{spelt}'. Its codes can be "
                "set by `languages: {…: {codes: {"
                f"{self._translator.family}: …}}}}}}`, or choose another `model` or `family`."
            )
        return int(found)

    # --- translating -----------------------------------------------------------------------------

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate texts; longest first, so that memory that does not suffice is noticed early."""
        encoded = [self._tokenizer(self._prefix + text)["input_ids"] for text in texts]
        order = sorted(range(len(texts)), key=lambda n: -len(encoded[n]))
        results: list[Result] = [Failure("not translated", content=False)] * len(texts)
        for places in self._batches(order, [len(ids) for ids in encoded]):
            made = self._run([list(encoded[n]) for n in places])
            for place, result in zip(places, made, strict=True):
                results[place] = result
        return results

    def _batches(self, order: list[int], lengths: list[int]) -> Iterator[list[int]]:
        """Places in batches of at most `batch_tokens`, padding and beams included."""
        budget = self._translator.batch_tokens
        batch: list[int] = []
        for place in order:
            longest = lengths[batch[0]] if batch else lengths[place]
            if batch and (len(batch) + 1) * longest > budget:
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def _run(self, batch: list[list[int]]) -> list[Result]:
        if self._engine is None:
            self._engine = self._start()
        return [self._read(tokens) for tokens in self._engine.generate(batch)]

    def _read(self, tokens: list[int]) -> Result:
        if len(tokens) >= self._translator.max_tokens:
            return Failure("cut at max_tokens")
        text = str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()
        return text or Failure("empty translation")

    # --- loading ---------------------------------------------------------------------------------

    def _load_tokenizer(self, pivot: str, lang: str) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        chosen = self._translator.tokenizer
        source = fill_in(chosen, pivot, lang) if chosen else self._model
        return self._loaded(
            source, lambda: AutoTokenizer.from_pretrained(source, revision=self._revision(source))
        )

    def _revision(self, source: str) -> str | None:
        return self._translator.revision if source == self._model else None

    def _loaded(self, source: str, load: Callable[[], Any]) -> Any:
        try:
            return load()
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise BabelmixError(
                f"{self.where}: cannot load '{source}' ({first}). Give a folder, or the name of a "
                "repository that this machine can reach."
            ) from None

    def _start(self) -> Engine:
        translator = self._translator
        if translator.engine == "ctranslate2":
            from .engines import CTranslate2Engine

            return self._loaded(
                self._model,
                lambda: CTranslate2Engine(self._model, translator, self._tokenizer, self._forced),
            )
        from .engines import TransformersEngine

        return self._loaded(
            self._model,
            lambda: TransformersEngine(self._model, translator, self._tokenizer, self._forced),
        )


def fill_in(text: str, pivot: str, lang: str) -> str:
    """A model's name with the pair in it; a folder below the user's home is found."""
    named = text.replace("{pivot}", pivot).replace("{lang}", lang)
    return str(Path(named).expanduser()) if named.startswith("~") else named


def make(spec: TranslateSpec, folder: Path | None) -> Seq2SeqBackend:
    """Return the backend of a shard."""
    assert isinstance(spec.translator, Seq2SeqTranslator)
    return Seq2SeqBackend(
        spec.translator,
        spec.translator_name,
        spec.pivot,
        spec.lang,
        spec.lang_codes,
        spec.pivot_codes,
    )
