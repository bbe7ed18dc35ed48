"""py3langid's probabilities for many texts at once.

The library walks its automaton byte by byte in Python, a text at a time. Here a batch of texts
takes each step together, in NumPy. Model, features and formula are the library's (`classify`); a
test compares the answers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from py3langid.langid import LanguageIdentifier

#: Texts that take their steps together: enough to make NumPy's calls cheap, little memory.
_BATCH = 2048


def probabilities(identifier: LanguageIdentifier, texts: Sequence[str]) -> NDArray[Any]:
    """Return the probabilities, shape (texts, ``identifier.nb_classes``); each row sums to 1."""
    import numpy as np

    found = [np.zeros((0, len(identifier.nb_classes)), dtype=np.float32)]
    for start in range(0, len(texts), _BATCH):
        some = [_encoded(text) for text in texts[start : start + _BATCH]]
        found.append(_probabilities(identifier, some))
    return np.concatenate(found)


def _encoded(text: str) -> bytes:
    if text.isupper():
        text = text.lower()
    return unicodedata.normalize("NFC", text).encode("utf8", errors="surrogatepass")


def _probabilities(identifier: LanguageIdentifier, texts: list[bytes]) -> NDArray[Any]:
    import numpy as np
    from scipy.sparse import coo_array, csr_array

    rows, features = _features(identifier, texts)
    shape = (len(texts), identifier.nb_ptc.shape[0])
    ones = np.ones(len(rows), dtype=np.float32)
    counts = csr_array(coo_array((ones, (rows, features)), shape=shape))  # adds up repeats
    counts.data = np.log1p(counts.data)
    scores = counts @ _weights(identifier)
    scores[counts.indptr[1:] > counts.indptr[:-1]] += identifier.nb_pc
    scores /= np.sqrt([max(len(text), 1) for text in texts])[:, None]
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(scores / scores.sum(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=4)
def _weights(identifier: LanguageIdentifier) -> NDArray[Any]:
    """The model's weights as the product needs them: else it converts them at every call."""
    import numpy as np

    return np.ascontiguousarray(identifier.nb_ptc, dtype=np.float32)


def _features(identifier: LanguageIdentifier, texts: list[bytes]) -> tuple[Any, Any]:
    """The features met on the way through each text: numbers of texts, and of features."""
    import numpy as np

    moves, starts, outputs = _automaton(identifier)
    order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
    lengths = np.array([len(texts[number]) for number in order])
    signs = np.zeros((int(lengths[0]) if len(texts) else 0, len(texts)), dtype=np.uint8)
    for column, number in enumerate(order):
        signs[: lengths[column], column] = np.frombuffer(texts[number], dtype=np.uint8)
    states = np.zeros(len(texts), dtype=np.intp)
    rows, features = [np.zeros(0, dtype=np.intp)], [np.zeros(0, dtype=np.intp)]
    numbers = np.array(order, dtype=np.intp)
    for place, line in enumerate(signs):
        active = int(np.searchsorted(-lengths, -place))  # texts longer than that come first
        states = moves[starts[states[:active]] + line[:active]]
        met = outputs[states]
        hit = np.flatnonzero(met >= 0)
        rows.append(numbers[hit])
        features.append(met[hit])
    return np.concatenate(rows), np.concatenate(features)


@lru_cache(maxsize=4)
def _automaton(identifier: LanguageIdentifier) -> tuple[Any, Any, Any]:
    import numpy as np

    moves = np.asarray(identifier.tk_nextmove, dtype=np.intp)
    starts = np.asarray(identifier.tk_row, dtype=np.intp) << 8
    return moves, starts, np.asarray(identifier.tk_output, dtype=np.intp)
