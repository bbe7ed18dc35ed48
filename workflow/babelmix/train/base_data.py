"""Text for the tiny base model: Tatoeba sentences, their split, the tokenizer, the documents.

Importing this module costs nothing: torch, tokenizers and transformers are imported where needed.
"""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BabelmixError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LANGUAGES: dict[str, str] = {"en": "eng", "de": "deu", "fr": "fra", "it": "ita", "es": "spa"}
"""Languages of the base model -> the suffix of Tatoeba's files."""

FILE_STEM = "tatoeba-test-v2021-08-07"

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
SYSTEM, USER, ASSISTANT, END = "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = [PAD, BOS, EOS, SYSTEM, USER, ASSISTANT, END]

# Every message ends in `<|end|>` and a newline that the tokenizer never merges with anything, so
# the tokens of a conversation are a prefix of those of any longer one (tests/unit checks it).
CHAT_TEMPLATE = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{- raise_exception('unknown role: ' + message['role']) -}}"
    "{%- endif -%}"
    "{{- '<|' + message['role'] + '|>\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + '<|end|>' -}}{%- endgeneration -%}"
    "{%- else -%}"
    "{{- message['content'] + '<|end|>' -}}"
    "{%- endif -%}"
    "{{- '\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}"
)


def normalise_sentence(text: str) -> str:
    """Return the form under which two sentences count as the same one.

    Case, punctuation, spacing and compatibility characters do not make a sentence new.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = re.sub(r"[\W_]+", " ", folded).strip()
    return words or folded.strip()


def sentence_rank(text: str) -> int:
    """Return a stable pseudo-random number for a sentence: the same on every machine, for ever."""
    digest = hashlib.sha256(("babelmix-base-1\n" + normalise_sentence(text)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def find_files(data_dir: Path, languages: Mapping[str, str] = LANGUAGES) -> dict[str, list[Path]]:
    """Return the Tatoeba files of each language under `data_dir` (or under its `tatoeba/`)."""
    root = data_dir / "tatoeba" if (data_dir / "tatoeba").is_dir() else data_dir
    files = {lang: sorted(root.glob(f"*/{FILE_STEM}.{code}")) for lang, code in languages.items()}
    missing = [f"{FILE_STEM}.{languages[lang]}" for lang, found in files.items() if not found]
    if missing:
        raise BabelmixError(
            f"no {', '.join(missing)} in the folders of {root}: expected one folder a pair "
            f"(deu-eng, eng-fra, …) as in Helsinki-NLP/OPUS-MT-testsets, testsets/"
        )
    return files


def read_sentences(files: Mapping[str, Sequence[Path]]) -> dict[str, list[str]]:
    """Read the sentences of each language, each kept once (first spelling wins), in file order."""
    sentences: dict[str, list[str]] = {}
    for lang, paths in files.items():
        unique: dict[str, str] = {}
        for path in paths:
            for line in path.read_text(encoding="utf-8").split("\n"):
                text = " ".join(line.split())
                if text:
                    unique.setdefault(normalise_sentence(text), text)
        sentences[lang] = list(unique.values())
    return sentences


@dataclass
class Split:
    """Sentences by language: to learn from, to choose by (`dev`), to report on (`heldout`)."""

    train: dict[str, list[str]] = field(default_factory=dict)
    dev: dict[str, list[str]] = field(default_factory=dict)
    heldout: dict[str, list[str]] = field(default_factory=dict)


def split_sentences(
    sentences: Mapping[str, Sequence[str]],
    *,
    share: float = 0.02,
    least: int = 500,
    dev: int = 250,
) -> Split:
    """Split each language by the hash of the normalised sentence.

    The `max(least, share)` sentences of lowest hash are held out, the next `dev` serve to choose
    the best weights, the rest is for training. A sentence held out in one language is not trained
    on in another either ("Tom?" is five languages at once).
    """
    split = Split()
    ranked: dict[str, list[str]] = {}
    for lang, texts in sentences.items():
        count = max(least, round(share * len(texts)))
        if count + dev >= len(texts):
            raise BabelmixError(
                f"{lang}: {len(texts)} sentences are too few to hold out {count} and {dev}; "
                f"give more text or lower heldout_least and dev"
            )
        ranked[lang] = sorted(texts, key=lambda text: (sentence_rank(text), text))
        split.heldout[lang] = ranked[lang][:count]
        split.dev[lang] = ranked[lang][count : count + dev]
    heldout = {normalise_sentence(text) for texts in split.heldout.values() for text in texts}
    for lang, texts in split.dev.items():
        split.dev[lang] = [text for text in texts if normalise_sentence(text) not in heldout]
    kept = heldout | {normalise_sentence(text) for texts in split.dev.values() for text in texts}
    for lang, texts in ranked.items():
        split.train[lang] = [text for text in texts if normalise_sentence(text) not in kept]
    return split


def train_tokenizer(
    texts: Iterable[str], *, vocab_size: int = 4096, context: int = 1024
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer; digits and newlines are always tokens of their own."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("\n"), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, bpe.token_to_id(BOS))]
    )
    return wrap_tokenizer(bpe.to_str(), context)


def wrap_tokenizer(tokenizer_json: str, context: int) -> PreTrainedTokenizerFast:
    """Wrap a serialised tokenizer with its special tokens and the chat template."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer_json),
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        extra_special_tokens=[SYSTEM, USER, ASSISTANT, END],
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )


def tokenizer_sample(train: Mapping[str, Sequence[str]], seed: int = 0) -> Iterator[str]:
    """Yield the text the tokenizer learns from: about as many bytes of each language."""
    size = {lang: sum(len(text.encode()) for text in texts) for lang, texts in train.items()}
    budget = sorted(size.values())[len(size) // 2]
    for lang, texts in train.items():
        chosen = list(texts)
        random.Random(f"{seed}/tokenizer/{lang}").shuffle(chosen)
        used = 0
        for text in chosen:
            if used >= budget:
                break
            used += len(text.encode()) + 1
            yield text
            yield " " + text


def encode_all(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[int]]:
    """Encode texts without special tokens."""
    if not texts:
        return []
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"]


class DocumentStream:
    """Endless documents, from single sentences to pages, in pools.

    A pool is a list of token rows `<s> sentence [space or newline] sentence … </s>`. Within an
    epoch of a language each of its sentences occurs once; company and order are new every epoch.
    The state is a few integers, so that an interrupted run goes on with the next pool.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        train: Mapping[str, Sequence[str]],
        *,
        seed: int,
        context: int = 1024,
        balance: float = 0.7,
        single: float = 0.5,
        switch: float = 0.25,
        long: float = 0.004,
        newline: float = 0.3,
    ) -> None:
        self.languages = sorted(train)
        self.plain = {lang: encode_all(tokenizer, train[lang]) for lang in self.languages}
        self.spaced = {
            lang: encode_all(tokenizer, [" " + text for text in train[lang]])
            for lang in self.languages
        }
        tokens = {lang: sum(map(len, self.plain[lang])) for lang in self.languages}
        self.tokens = tokens
        self.weights = [tokens[lang] ** balance for lang in self.languages]
        self.bos, self.eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self.newline_ids = tokenizer("\n", add_special_tokens=False)["input_ids"]
        self.seed, self.context = seed, context
        self.single, self.switch = single, switch
        self.long, self.newline = long, newline
        self.cursor = dict.fromkeys(self.languages, 0)
        self.pool = 0
        self._orders: dict[str, tuple[int, list[int]]] = {}

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to go on after the pools drawn so far."""
        return {"pool": self.pool, "cursor": dict(self.cursor)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.pool, self.cursor = state["pool"], dict(state["cursor"])

    def epochs(self) -> dict[str, float]:
        """Return how often each language's sentences were seen."""
        return {
            lang: round(self.cursor[lang] / len(self.plain[lang]), 2) for lang in self.languages
        }

    def _next_sentence(self, lang: str) -> int:
        epoch, place = divmod(self.cursor[lang], len(self.plain[lang]))
        known = self._orders.get(lang)
        if known is None or known[0] != epoch:
            order = list(range(len(self.plain[lang])))
            random.Random(f"{self.seed}/{lang}/{epoch}").shuffle(order)
            known = self._orders[lang] = (epoch, order)
        self.cursor[lang] += 1
        return known[1][place]

    def _document(self, rng: random.Random) -> list[int]:
        """Draw one document: a sentence, a paragraph or (rarely) a page.

        Before each further sentence the language is drawn anew with probability ``switch``.
        """
        lang = rng.choices(self.languages, self.weights)[0]
        draw = rng.random()
        if draw < self.single:
            target = 0
        elif draw < 1 - self.long:
            target = int(16 * 2 ** rng.uniform(0, 4))  # 16 to 256 tokens, short ones oftener
        else:
            target = self.context
        row = [self.bos, *self.plain[lang][self._next_sentence(lang)]]
        while len(row) < target:
            if rng.random() < self.switch:
                lang = rng.choices(self.languages, self.weights)[0]
            place = self._next_sentence(lang)
            if rng.random() < self.newline:
                row += self.newline_ids + self.plain[lang][place]
            else:
                row += self.spaced[lang][place]
        row.append(self.eos)
        return row[: self.context]  # a page that had to be cut has no end

    def next_pool(self, tokens: int) -> list[list[int]]:
        """Draw documents of about `tokens` tokens in all."""
        rng = random.Random(f"{self.seed}/pool/{self.pool}")
        self.pool += 1
        rows: list[list[int]] = []
        left = tokens
        while left > 0:
            rows.append(self._document(rng))
            left -= len(rows[-1])
        return rows

    def next_batches(self, pool_tokens: int, batch_tokens: int) -> list[list[list[int]]]:
        """Draw a pool and cut it into shuffled batches of rows of like length."""
        batches = cut_batches(self.next_pool(pool_tokens), batch_tokens)
        random.Random(f"{self.seed}/batches/{self.pool}").shuffle(batches)
        return batches


def cut_batches(rows: Sequence[list[int]], batch_tokens: int) -> list[list[list[int]]]:
    """Cut rows, sorted by length, into batches of at most `batch_tokens` with the padding."""
    batches: list[list[list[int]]] = []
    current: list[list[int]] = []
    for row in sorted(rows, key=len):
        if current and (len(current) + 1) * len(row) > batch_tokens:
            batches.append(current)
            current = []
        current.append(row)
    if current:
        batches.append(current)
    return batches
