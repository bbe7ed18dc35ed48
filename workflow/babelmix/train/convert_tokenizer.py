"""SentencePiece tokenizers that only slow (or remote) code can run, as ``tokenizer.json``.

Study 1's Teuken-7B ships its own tokenizer class around a SentencePiece model. What that class does
to a text follows from the model's file, so that it is written down in the form that everything else
reads (this package, vLLM, transformers without remote code). The result is compared with the slow
code token by token before it is used.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BabelmixError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

_UNIGRAM, _BPE = 1, 2
_SPACE = "▁"
_NAMED = ("bos_token", "eos_token", "unk_token", "pad_token")
_REMEDY = "Save a tokenizer.json beside the weights, or use another model."
#: Texts on which both must agree: accents, scripts, spaces of all kinds, digits, rare characters.
PROBES = (
    "The quick brown fox — 42 %.",
    "Où est-elle ? Çà et là…",
    "Größe: 7 µm\n\tfür Übung",
    "¿Qué tal? 漢字 हिन्दी עברית",
    "  two  spaces   and three, at both ends  ",
    "line\n\nline\r\n\n\nend\n",
    "1234567890 3.14159 10⁶ ½ Ⅷ ﬁ ＡＢＣ",
    "def f(x):\n    return x  # 🙂 👩‍👩‍👧 \u200b\u00a0\u2009",
    "e\u0301 a\u0308 \ufeffBOM ▁▁under",
    "x",
)


def convert(slow: PreTrainedTokenizerBase, source: Path, where: str) -> PreTrainedTokenizerFast:
    """A fast tokenizer that gives what ``slow`` gives; its files lie in ``source``.

    Raises ``BabelmixError`` where there is no SentencePiece model, or where the two disagree.
    """
    from transformers import PreTrainedTokenizerFast

    files = sorted(source.glob("*.model"))
    if len(files) != 1:
        raise BabelmixError(
            f"{where}: {source}: only slow tokenizer code, and {len(files)} SentencePiece models "
            f"(*.model) to convert; one is needed. {_REMEDY}"
        )
    proto = _read(files[0], where)
    backend = _build(proto, where)
    _add_tokens(backend, slow)
    _add_beginning(backend, slow)
    names = {name: str(token) for name, token in slow.special_tokens_map.items() if token}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        model_max_length=slow.model_max_length,
        padding_side=slow.padding_side,
        **{name: text for name, text in names.items() if name in _NAMED},
    )
    if isinstance(slow.chat_template, str):
        fast.chat_template = slow.chat_template
    _compare(slow, fast, proto, where)
    return fast


def _read(path: Path, where: str) -> Any:
    """A SentencePiece model as its protocol buffer."""
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    form: Any = sentencepiece_model_pb2  # written at import, unknown to a type checker
    proto = form.ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise BabelmixError(f"{where}: {path}: no SentencePiece model ({error}).") from None
    kind = proto.trainer_spec.model_type
    if kind not in (_UNIGRAM, _BPE) or proto.trainer_spec.treat_whitespace_as_suffix:
        raise BabelmixError(
            f"{where}: {path}: of SentencePiece models, unigram and BPE with spaces before words "
            f"can be converted, and this is another. {_REMEDY}"
        )
    return proto


def _build(proto: Any, where: str) -> Tokenizer:
    """The model, its normalisation and its way back to text, without added tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers

    trainer, rules = proto.trainer_spec, proto.normalizer_spec
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    if len({text for text, _ in pieces}) != len(pieces):
        raise BabelmixError(f"{where}: its SentencePiece model holds a piece twice.")
    if trainer.model_type == _UNIGRAM:
        model: Any = models.Unigram(pieces, trainer.unk_id, trainer.byte_fallback)
    else:
        vocabulary = {text: number for number, (text, _) in enumerate(pieces)}
        model = models.BPE(
            vocabulary,
            _merges(proto),
            unk_token=pieces[trainer.unk_id][0],
            fuse_unk=True,
            byte_fallback=trainer.byte_fallback,
        )
    tokenizer = Tokenizer(model)
    steps: list[Any] = []
    if rules.precompiled_charsmap:
        steps.append(normalizers.Precompiled(rules.precompiled_charsmap))
    if rules.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if rules.add_dummy_prefix:
        steps.append(normalizers.Prepend(_SPACE))
    if rules.escape_whitespaces:
        steps.append(normalizers.Replace(" ", _SPACE))
    tokenizer.normalizer = normalizers.Sequence(steps)
    back: list[Any] = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if rules.add_dummy_prefix:
        back.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(back)
    return tokenizer


def _merges(proto: Any) -> list[tuple[str, str]]:
    """Merges of a BPE model: SentencePiece keeps only their results, best score first.

    Pieces of equal score keep the order in which SentencePiece would join them, that of the text;
    there are none in models that it trained.
    """
    scores = {p.piece: p.score for p in proto.pieces if p.type not in (2, 3, 4, 5, 6)}
    merges = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in scores and right in scores:
                merges.append((-score, left, right))
    ids = {p.piece: number for number, p in enumerate(proto.pieces)}
    merges.sort(key=lambda m: (m[0], ids[m[1]], ids[m[2]]))
    return [(left, right) for _, left, right in merges]


def _add_tokens(backend: Tokenizer, slow: PreTrainedTokenizerBase) -> None:
    """The slow tokenizer's added tokens, and the special ones that it names, at their places."""
    from tokenizers import AddedToken

    special = {str(token) for token in slow.all_special_tokens}
    added = dict(slow.added_tokens_decoder)
    vocabulary = backend.get_vocab()
    for text in sorted(special & set(vocabulary)):
        # A class may name them after its own list of added tokens is made, and then miss them.
        added.setdefault(vocabulary[text], AddedToken(text, normalized=False, special=True))
    for number, token in sorted(added.items()):
        text = token.content
        backend.add_tokens(
            [
                AddedToken(
                    text,
                    lstrip=token.lstrip,
                    rstrip=token.rstrip,
                    single_word=token.single_word,
                    normalized=False,
                    special=token.special or text in special,
                )
            ]
        )
        if backend.token_to_id(text) != number:
            raise BabelmixError(
                f"the tokenizer's added token {text!r} is number {number} in its own code and "
                f"{backend.token_to_id(text)} after its conversion. {_REMEDY}"
            )


def _add_beginning(backend: Tokenizer, slow: Any) -> None:
    """Open every text with the bos token where the slow code does so."""
    from tokenizers.processors import TemplateProcessing

    opened, plain = list(slow("a")["input_ids"]), _ids(slow, "a")
    if opened[:1] == [slow.bos_token_id] and opened[1:][: len(plain)] == plain:
        backend.post_processor = TemplateProcessing(
            single=f"{slow.bos_token} $A", special_tokens=[(slow.bos_token, slow.bos_token_id)]
        )


def _compare(slow: Any, fast: PreTrainedTokenizerFast, proto: Any, where: str) -> None:
    """Both give the same tokens, also beside control tokens, and the same text back."""
    known = {token.content for token in slow.added_tokens_decoder.values()}
    texts = [(text, [text]) for text in PROBES]
    texts += [(t, [t]) for p in proto.pieces if p.type == 4 for t in [f"a{p.piece}b {p.piece} c"]]
    for mark in filter(None, (slow.bos_token, slow.eos_token)):
        parts = ["User: Hi\nAssistant:", mark, " Yes, é.", mark, "\nUser: x"]
        texts.append(("".join(parts), ["".join(parts)] if mark in known else parts))
    for text, parts in texts:
        wanted: list[int] = []
        for part in parts:
            one = part not in known and part in slow.all_special_tokens
            ids = [slow.convert_tokens_to_ids(part)] if one else _ids(slow, part)
            wanted += ids
        found = _ids(fast, text)
        if found != wanted:
            theirs, ours = (t.convert_ids_to_tokens(i) for t, i in ((slow, wanted), (fast, found)))
            at = next(i for i, pair in enumerate(zip_longest(theirs, ours)) if pair[0] != pair[1])
            raise BabelmixError(
                f"{where}: converted from SentencePiece, its tokenizer reads {text!r} from token "
                f"{at} on as {ours[at : at + 6]}, and its own code as {theirs[at : at + 6]}. "
                f"{_REMEDY}"
            )
    for text in PROBES:
        ids = _ids(fast, text)
        if slow.unk_token_id in ids:
            continue  # each has its own way to show what it cannot read
        if fast.decode(ids) != slow.decode(ids):
            raise BabelmixError(
                f"{where}: converted from SentencePiece, its tokenizer writes {fast.decode(ids)!r} "
                f"for tokens that its own code writes as {slow.decode(ids)!r}. {_REMEDY}"
            )


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
