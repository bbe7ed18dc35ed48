"""Drive instructlab-eval's MT-Bench judge with 64 workers: the server's limit."""

import shutil
import sys

from instructlab.eval.mt_bench_common import get_openai_client
from instructlab.eval.mt_bench_judgment import judge_model

client = get_openai_client(sys.argv[1], "x", None)
_, place, _ = judge_model("m", "gpt-4", client, output_dir="data", data_dir="data", max_workers=64)
shutil.copy(place, "judgments.jsonl")
