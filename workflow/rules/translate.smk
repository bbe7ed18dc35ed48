# Translation: the pivot language -> every other language of a pool, shard by shard, audited.
#
# Needs:  normalised/{dataset}.{pivot}.parquet, a translator
# Makes:  conversations/{dataset}.{lang}.parquet   every row of the pool in one language, with checks
#         conversations/{dataset}.{lang}.audit.json
# Steps:  translate_shard (resumes from its journal) -> score_quality, round_trip (where asked
#         for) -> collect_language
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
        translator=lambda w: JOBS.translates_by_api(w.dataset, w.lang),
        mem_mb=lambda w, input, attempt: memory(input, attempt, 2000),
        runtime=lambda w, attempt: JOBS.translation_minutes(w.dataset, w.lang) * attempt,
        gpu=lambda w: JOBS.translation_gpus(w.dataset, w.lang),
    params:
        spec=lambda w: JOBS.translate(w.dataset, w.lang, int(w.shard)),
        journal=lambda w: JOBS.path(
            f"journals/translate/{w.dataset}.{w.lang}.{w.shard}.jsonl"
        ),
        # Written at the start of each run; host, price, cap and speed are read from there, so that
        # changing them reruns nothing.
        config=JOBS.path("config.resolved.json"),
    shell:
        "python -m babelmix translate"
        " --spec {params.spec:q}"
        " --config {params.config:q}"
        " --input {input.pivot:q}"
        " --journal {params.journal:q}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"


rule score_quality:
    """Score a language's translations by the function that the pool's audit names."""
    input:
        pivot=lambda w: JOBS.path(
            f"normalised/{w.dataset}.{JOBS.plan.dataset(w.dataset).pivot}.parquet"
        ),
        shards=lambda w: JOBS.shards(w.dataset, w.lang),
        corrections=lambda w: JOBS.corrections_file(w.dataset, w.lang),
    output:
        "<set>/measures/quality/{dataset}.{lang}.json",
    log:
        "<set>/logs/quality/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/quality/{dataset}.{lang}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: JOBS.quality_resource(w.dataset, "mem_mb") * attempt,
        runtime=lambda w, attempt: 240 * attempt,
        gpu=lambda w: JOBS.quality_resource(w.dataset, "gpus"),
    params:
        spec=lambda w: JOBS.quality(w.dataset, w.lang),
        shards=lambda w: JOBS.path(f"lists/collect/{w.dataset}.{w.lang}.txt"),
        corrections=lambda w: JOBS.corrections_option(w.dataset, w.lang),
    shell:
        "python -m babelmix quality"
        " --spec {params.spec:q}"
        " --pivot {input.pivot:q}"
        " @{params.shards:q}"
        " {params.corrections}"
        " --output {output:q}"
        " 2> {log:q}"


rule round_trip:
    """Translate a language back and compare it with the pivot. Bottleneck: as translate_shard."""
    input:
        pivot=lambda w: JOBS.path(
            f"normalised/{w.dataset}.{JOBS.plan.dataset(w.dataset).pivot}.parquet"
        ),
        shards=lambda w: JOBS.shards(w.dataset, w.lang),
        corrections=lambda w: JOBS.corrections_file(w.dataset, w.lang),
        memory=lambda w: JOBS.back_memory_files(w.dataset, w.lang),
    output:
        "<set>/measures/round_trip/{dataset}.{lang}.json",
    log:
        "<set>/logs/round_trip/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/round_trip/{dataset}.{lang}.tsv"
    conda:
        lambda w: JOBS.back_env(w.dataset, w.lang)
    threads: 1
    resources:
        translator=lambda w: JOBS.back_resource(w.dataset, w.lang, "translator"),
        mem_mb=lambda w, input, attempt: memory(input, attempt, 2000),
        runtime=lambda w, attempt: JOBS.back_resource(w.dataset, w.lang, "minutes")
        * attempt,
        gpu=lambda w: JOBS.back_resource(w.dataset, w.lang, "gpu"),
    params:
        spec=lambda w: JOBS.round_trip(w.dataset, w.lang),
        shards=lambda w: JOBS.path(f"lists/collect/{w.dataset}.{w.lang}.txt"),
        corrections=lambda w: JOBS.corrections_option(w.dataset, w.lang),
        # Beside the journals of the way there: a translator's cap is over both.
        journal=lambda w: JOBS.path(
            f"journals/translate/{w.dataset}.{w.lang}.back.jsonl"
        ),
        config=JOBS.path("config.resolved.json"),
    shell:
        "python -m babelmix round-trip"
        " --spec {params.spec:q}"
        " --config {params.config:q}"
        " --pivot {input.pivot:q}"
        " @{params.shards:q}"
        " {params.corrections}"
        " --journal {params.journal:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule collect_language:
    """Join a language's shards, correct and audit them; failed rows stay, with their checks."""
    input:
        pivot=lambda w: JOBS.path(
            f"normalised/{w.dataset}.{JOBS.plan.pivot_of(w.dataset, w.lang)}.parquet"
        ),
        shards=lambda w: JOBS.shards(w.dataset, w.lang),
        corrections=lambda w: JOBS.corrections_file(w.dataset, w.lang),
        measures=lambda w: JOBS.measures(w.dataset, w.lang),
    output:
        table="<set>/conversations/{dataset}.{lang}.parquet",
        audit="<set>/conversations/{dataset}.{lang}.audit.json",
    log:
        "<set>/logs/collect/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/collect/{dataset}.{lang}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        spec=lambda w: JOBS.collect(w.dataset, w.lang),
        shards=lambda w: JOBS.path(f"lists/collect/{w.dataset}.{w.lang}.txt"),
        # Overlay and measures. The name stays: another one would collect every pool anew.
        corrections=lambda w: JOBS.collect_options(w.dataset, w.lang),
    shell:
        "python -m babelmix collect"
        " --spec {params.spec:q}"
        " --pivot {input.pivot:q}"
        " @{params.shards:q}"
        " {params.corrections}"
        " --output {output.table:q}"
        " --audit {output.audit:q}"
        " 2> {log:q}"
