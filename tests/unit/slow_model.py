"""A tiny model whose tokenizer is slow remote code around SentencePiece, as Teuken's is."""

from __future__ import annotations

import random
from pathlib import Path

from tiny_model import WORDS

from babelmix.io import write_json

#: Slow Python code as a model's repository ships it: added tokens are split off, all else goes to
#: SentencePiece; ids are decoded by SentencePiece in one piece; one template for each language.
CODE = """
import sentencepiece
from pathlib import Path
from transformers import PreTrainedTokenizer


class PlainSPTokenizer(PreTrainedTokenizer):
    vocab_files_names = {"tokenizer_file": "tokenizer.model"}
    model_input_names = ["input_ids", "attention_mask"]

    def __init__(self, model_path=None, **kwargs):
        folder = Path(kwargs.get("name_or_path", "."))
        self.tok = sentencepiece.SentencePieceProcessor(
            model_file=model_path or str(folder / "tokenizer.model")
        )
        kwargs.setdefault("bos_token", "<s>")
        kwargs.setdefault("eos_token", "</s>")
        kwargs.setdefault("unk_token", "<unk>")
        kwargs.setdefault("pad_token", "<pad>")
        kwargs.setdefault(
            "additional_special_tokens", ["<eod>"] + [f"<spare_{i}>" for i in range(8)]
        )
        super().__init__(**kwargs)
        self.chat_template = {
            lang: "System: " + text + "\\n{% for m in messages %}{{ m['role'] | capitalize + ': ' "
            "+ m['content'] + '\\n' }}{% endfor %}"
            for lang, text in {"EN": "A chat.", "DE": "Ein Gespräch.", "default": "A chat."}.items()
        }

    @property
    def vocab_size(self):
        return self.tok.get_piece_size()

    def get_vocab(self):
        return {self.tok.id_to_piece(i): i for i in range(self.vocab_size)}

    def _tokenize(self, text, **kwargs):
        return self.tok.encode_as_pieces(text)

    def _convert_token_to_id(self, token):
        return self.tok.piece_to_id(token)

    def _convert_id_to_token(self, index):
        return self.tok.id_to_piece(index)

    def convert_tokens_to_string(self, tokens):
        return self.tok.decode_pieces(tokens)

    def decode(self, token_ids, skip_special_tokens=False, **kwargs):
        return self.tok.decode([int(i) for i in token_ids])
"""

#: As older code does it: tokens are named only after the base class was set up, ids written over
#: by hand, `encode` and `decode` taken past the base class.
LATE = (
    CODE.replace(
        """        kwargs.setdefault("bos_token", "<s>")
        kwargs.setdefault("eos_token", "</s>")
        kwargs.setdefault("unk_token", "<unk>")
        kwargs.setdefault("pad_token", "<pad>")
        kwargs.setdefault(
            "additional_special_tokens", ["<eod>"] + [f"<spare_{i}>" for i in range(8)]
        )
        super().__init__(**kwargs)
""",
        """        kwargs.setdefault("clean_up_tokenization_spaces", False)
        super().__init__(**kwargs)
        self.unk_token = "<unk>"
        self.eos_token = "</s>"
        self.bos_token = "<s>"
        self.pad_token = "<pad>"
        self.eod_token = "<eod>"
        self.additional_special_tokens = [self.bos_token, self.eos_token, self.pad_token]
        self.additional_special_tokens += [self.eod_token] + [f"<spare_{i}>" for i in range(8)]
        self.eos_token_id = 2
""",
    ).replace("from transformers import Pre", "from transformers.tokenization_utils import Pre")
    + """
    def encode(self, text, **kwargs):
        return self.tok.encode(text)
"""
)


def build(
    folder: Path, model_type: str = "bpe", normalisation: str = "identity", code: str = CODE
) -> Path:
    """Save the random model and its slow tokenizer into ``folder``."""
    import sentencepiece
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    lines = [" ".join(rng.choices(WORDS, k=12)) + ". Grüße: 12" for _ in range(300)]
    lines += ["User: the cat", "Assistant: a dog", "System: ein Gespräch"] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=420,
        model_type=model_type,
        byte_fallback=True,
        normalization_rule_name=normalisation,
        remove_extra_whitespaces=normalisation != "identity",
        pad_id=3,
        control_symbols=["<eod>", *(f"<spare_{i}>" for i in range(8))],
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    (folder / "plain_sp_tokenizer.py").write_text(code, encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PlainSPTokenizer",
            "auto_map": {"AutoTokenizer": ["plain_sp_tokenizer.PlainSPTokenizer", None]},
        },
    )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=processor.get_piece_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
