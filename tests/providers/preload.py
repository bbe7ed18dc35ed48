"""What the verbs import, loaded once: each verb then runs in a fork of a process that has it."""

import contextlib
import importlib

for name in (
    "openai",
    "httpx2",
    "tenacity",
    "pyarrow.parquet",
    "babelmix.cli",
    "babelmix.config.load",
    "babelmix.judge.single",
    "babelmix.judge.pairs",
    "babelmix.translate.shard",
    "babelmix.answer.answer",
    "babelmix.answer.served",
    "babelmix.train.chat",
    "babelmix.service",
    "transformers.utils.chat_template_utils",
):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
