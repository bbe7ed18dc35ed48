# Translation: the pivot language -> every other language of a pool, shard by shard.
#
# Needs:  normalised/{dataset}.{pivot}.parquet, a translator
# Makes:  translations/{dataset}.{lang}/{shard}.parquet   with a manifest
# Steps:  translate_shard (resumes from its journal) -> see audit.smk
# Paid work goes through a journal below journals/, which is no output of a rule: a killed or
# repeated job buys nothing twice.


rule translate_shard:
    """Translate one shard. Bottleneck: API or GPU, money."""
    input:
        pivot=lambda w: JOBS.path(
            f"normalised/{w.dataset}.{JOBS.plan.dataset(w.dataset).pivot}.parquet"
        ),
        memory=lambda w: JOBS.memory_files(w.dataset, w.lang),
    output:
        table="<set>/translations/{dataset}.{lang}/{shard}.parquet",
        manifest="<set>/translations/{dataset}.{lang}/{shard}.json",
    log:
        "<set>/logs/translate/{dataset}.{lang}.{shard}.log",
    benchmark:
        "<set>/timings/translate/{dataset}.{lang}.{shard}.tsv"
    conda:
        lambda w: JOBS.translation_env(w.dataset, w.lang)
    threads: 1
    resources:
        # Jobs of one key share its rate limit: the profile says how many run at a time.
        **JOBS.translator_keys,
        mem_mb=lambda w, input, attempt: memory(input, attempt, 2000),
        runtime=lambda w, attempt: JOBS.translation_minutes(w.dataset, w.lang) * attempt,
        gpu=lambda w: JOBS.translation_gpus(w.dataset, w.lang),
    params:
        version=setting("translate", "version"),
        dataset=setting("translate", "dataset"),
        lang=setting("translate", "lang"),
        pivot=setting("translate", "pivot"),
        shard=setting("translate", "shard"),
        shards=setting("translate", "shards"),
        translator_name=setting("translate", "translator_name"),
        translator=setting("translate", "translator"),
        lang_codes=setting("translate", "lang_codes"),
        pivot_codes=setting("translate", "pivot_codes"),
        lang_name=setting("translate", "lang_name"),
        pivot_name=setting("translate", "pivot_name"),
        journal=lambda w: JOBS.path(
            f"journals/translate/{w.dataset}.{w.lang}.{w.shard}.jsonl"
        ),
        # Written at the start of each run; host, price, cap and speed are read from there, so that
        # changing them reruns nothing.
        config=JOBS.path("config.resolved.json"),
    shell:
        "python -m babelmix translate"
        " --set {params.version} {params.dataset} {params.lang} {params.pivot}"
        " {params.shard} {params.shards} {params.translator_name} {params.translator}"
        " {params.lang_codes} {params.pivot_codes} {params.lang_name}"
        " {params.pivot_name}"
        " --config {params.config:q}"
        " --input {input.pivot:q}"
        " --journal {params.journal:q}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"
