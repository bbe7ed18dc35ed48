# Audit: translated shards -> every row of the pool in one language, with its checks.
#
# Needs:  translations/, normalised/, corrections by people (where there are any)
# Makes:  conversations/{dataset}.{lang}.parquet   failed rows stay, with their checks
#         conversations/{dataset}.{lang}.audit.json
#         measures/{measure}/{dataset}.{lang}.json scores that the pool's audit asks for
# Steps:  score_quality, round_trip (where asked for) -> collect_language


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
        version=setting("quality", "version"),
        dataset=setting("quality", "dataset"),
        lang=setting("quality", "lang"),
        pivot=setting("quality", "pivot"),
        function=setting("quality", "function"),
        function_version=setting("quality", "function_version"),
        shards=lambda w: JOBS.path(f"lists/collect/{w.dataset}.{w.lang}.txt"),
        corrections=lambda w: JOBS.corrections_option(w.dataset, w.lang),
    shell:
        "python -m babelmix quality"
        " --set {params.version} {params.dataset} {params.lang} {params.pivot}"
        " {params.function} {params.function_version}"
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
        **JOBS.back_translator_keys,
        mem_mb=lambda w, input, attempt: memory(input, attempt, 2000),
        runtime=lambda w, attempt: JOBS.back_resource(w.dataset, w.lang, "minutes")
        * attempt,
        gpu=lambda w: JOBS.back_resource(w.dataset, w.lang, "gpu"),
    params:
        version=setting("round-trip", "version"),
        dataset=setting("round-trip", "dataset"),
        lang=setting("round-trip", "lang"),
        pivot=setting("round-trip", "pivot"),
        shard=setting("round-trip", "shard"),
        shards=setting("round-trip", "shards"),
        translator_name=setting("round-trip", "translator_name"),
        translator=setting("round-trip", "translator"),
        lang_codes=setting("round-trip", "lang_codes"),
        pivot_codes=setting("round-trip", "pivot_codes"),
        lang_name=setting("round-trip", "lang_name"),
        pivot_name=setting("round-trip", "pivot_name"),
        shards_file=lambda w: JOBS.path(f"lists/collect/{w.dataset}.{w.lang}.txt"),
        corrections=lambda w: JOBS.corrections_option(w.dataset, w.lang),
        # Beside the journals of the way there: a translator's cap is over both.
        journal=lambda w: JOBS.path(
            f"journals/translate/{w.dataset}.{w.lang}.back.jsonl"
        ),
        config=JOBS.path("config.resolved.json"),
    shell:
        "python -m babelmix round-trip"
        " --set {params.version} {params.dataset} {params.lang} {params.pivot}"
        " {params.shard} {params.shards} {params.translator_name} {params.translator}"
        " {params.lang_codes} {params.pivot_codes} {params.lang_name}"
        " {params.pivot_name}"
        " --config {params.config:q}"
        " --pivot {input.pivot:q}"
        " @{params.shards_file:q}"
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
        version=setting("collect", "version"),
        dataset=setting("collect", "dataset"),
        lang=setting("collect", "lang"),
        pivot=setting("collect", "pivot"),
        on_failed_check=setting("collect", "on_failed_check"),
        as_translation=setting("collect", "as_translation"),
        below=setting("collect", "below"),
        script=setting("collect", "script"),
        shards=lambda w: JOBS.path(f"lists/collect/{w.dataset}.{w.lang}.txt"),
        # Overlay and measures. The name stays: another one would collect every pool anew.
        corrections=lambda w: JOBS.collect_options(w.dataset, w.lang),
    shell:
        "python -m babelmix collect"
        " --set {params.version} {params.dataset} {params.lang} {params.pivot}"
        " {params.on_failed_check} {params.as_translation} {params.below}"
        " {params.script}"
        " --pivot {input.pivot:q}"
        " @{params.shards:q}"
        " {params.corrections}"
        " --output {output.table:q}"
        " --audit {output.audit:q}"
        " 2> {log:q}"
