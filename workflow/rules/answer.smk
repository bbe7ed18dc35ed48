# Answers: a checkpoint and a benchmark -> answers, turn by turn, in each language.
#
# Needs:  checkpoints/{run}.json (or models/{model}.json for an untuned base), benchmarks/
# Makes:  answers/{benchmark}/{run}.parquet
# Steps:  answer (the model is loaded once for all languages; first turns, then second turns)


rule answer:
    """Answer a benchmark with one run's checkpoint. Bottleneck: GPU."""
    input:
        completed=lambda w: JOBS.checkpoint(w.run)["completed"],
        questions=lambda w: JOBS.questions(w.benchmark, w.run),
    output:
        table="<set>/answers/{benchmark}/{run}.parquet",
    log:
        "<set>/logs/answer/{benchmark}/{run}.log",
    benchmark:
        "<set>/timings/answer/{benchmark}.{run}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: lambda w: JOBS.answer_threads(w.benchmark, w.run)
    resources:
        gpu=lambda w: JOBS.answer_gpus(w.benchmark, w.run),
        mem_mb=lambda w, attempt: JOBS.answer_memory(w.benchmark, w.run, attempt),
        runtime=lambda w, attempt: JOBS.answer_minutes(w.benchmark, w.run, attempt),
    params:
        version=setting("answer", "version"),
        run=setting("answer", "run"),
        benchmark=setting("answer", "benchmark"),
        languages=setting("answer", "languages"),
        device=setting("answer", "device"),
        trust_remote_code=setting("answer", "trust_remote_code"),
        generation=setting("answer", "generation"),
        system_prompts=setting("answer", "system_prompts"),
        checkpoint=lambda w: JOBS.checkpoint(w.run)["folder"],
        journal=lambda w: JOBS.path(f"journals/answer/{w.benchmark}/{w.run}.jsonl"),
    shell:
        "python -m babelmix answer"
        " --set {params.version} {params.run} {params.benchmark} {params.languages}"
        " {params.device} {params.trust_remote_code} {params.generation}"
        " {params.system_prompts}"
        " --questions {input.questions:q}"
        " --checkpoint {params.checkpoint:q}"
        " --completed {input.completed:q}"
        " --threads {threads}"
        " --journal {params.journal:q}"
        " --output {output.table:q}"
        " 2> {log:q}"
