"""Drive FastChat's gen_judgment with 64 threads: the server's limit.

Its package of model adapters imports torch and transformers, of which judging uses nothing but the
chat template's name: a small module stands in, so that `fschat` and `openai<1` are enough.
"""

import runpy
import shutil
import sys
import types
from importlib.util import find_spec
from pathlib import Path

from fastchat.conversation import get_conv_template

adapter = types.ModuleType("fastchat.model.model_adapter")
adapter.get_conversation_template = lambda model: get_conv_template("chatgpt")
adapter.OPENAI_MODEL_LIST = ("gpt-4",)
adapter.ANTHROPIC_MODEL_LIST = ()
sys.modules["fastchat.model"] = types.ModuleType("fastchat.model")
sys.modules["fastchat.model.model_adapter"] = adapter

package = find_spec("fastchat.llm_judge")
folder = Path(next(iter(package.submodule_search_locations)))
sys.path.insert(0, str(folder))
sys.argv = ["gen_judgment.py", "--bench-name", "mt_bench", "--judge-file", "prompts.jsonl"]
sys.argv += ["--judge-model", "gpt-4", "--mode", "single", "--model-list", "m", "--parallel", "64"]
try:
    runpy.run_path(str(folder / "gen_judgment.py"), run_name="__main__")
finally:
    shutil.copy("data/mt_bench/model_judgment/gpt-4_single.jsonl", "judgments.jsonl")
