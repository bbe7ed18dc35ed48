# Pools: what mixtures must know of conversations, without their texts.
#
# Needs:  conversations/{dataset}.{lang}.parquet, models/ (to count tokens)
# Makes:  pools/{dataset}.{lang}.parquet          ids, split, sizes and checks: what mixtures need
#         conversations/{dataset}.{a}_to_{b}.parquet  rows in two languages, where a mixture asks
#         fingerprints/{dataset}.{lang}.parquet   what tells equal and nearly equal conversations
#         counts/{model}/{dataset}.{lang}.parquet tokens of each row, for budgets in tokens
# Steps:  combine_languages -> index_language, count_tokens; fingerprint_language


rule index_language:
    """Index one language of a pool: everything about its rows but their text."""
    input:
        conversations="<set>/conversations/{dataset}.{lang}.parquet",
    output:
        table="<set>/pools/{dataset}.{lang}.parquet",
        manifest="<set>/pools/{dataset}.{lang}.json",
    log:
        "<set>/logs/pool/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/pool/{dataset}.{lang}.tsv"
    wildcard_constraints:
        lang=ROW_LANG,
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        version=setting("index-language", "version"),
        dataset=setting("index-language", "dataset"),
        lang=setting("index-language", "lang"),
        on_failed_check=setting("index-language", "on_failed_check"),
        dev_rows=setting("index-language", "dev_rows"),
        seed=setting("index-language", "seed"),
    shell:
        "python -m babelmix index-language"
        " --set {params.version} {params.dataset} {params.lang}"
        " {params.on_failed_check} {params.dev_rows} {params.seed}"
        " --conversations {input.conversations:q}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"


rule combine_languages:
    """Join two languages of a pool in one row: cross-lingual or code-switched."""
    input:
        unpack(lambda w: JOBS.combine_input(w.dataset, w.lang)),
    output:
        table="<set>/conversations/{dataset}.{lang}.parquet",
        manifest="<set>/conversations/{dataset}.{lang}.json",
    log:
        "<set>/logs/combine/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/combine/{dataset}.{lang}.tsv"
    wildcard_constraints:
        lang=TWO_LANGS,
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: memory(input, attempt, 1000),
        runtime=20,
    params:
        version=setting("combine-languages", "version"),
        dataset=setting("combine-languages", "dataset"),
        lang=setting("combine-languages", "lang"),
        first=setting("combine-languages", "first"),
        second=setting("combine-languages", "second"),
        seed=setting("combine-languages", "seed"),
    shell:
        "python -m babelmix combine-languages"
        " --set {params.version} {params.dataset} {params.lang} {params.first}"
        " {params.second} {params.seed}"
        " --first {input.first:q}"
        " --second {input.second:q}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"


rule fingerprint_language:
    """Fingerprint one language of a pool, to find equal and nearly equal conversations."""
    input:
        conversations="<set>/conversations/{dataset}.{lang}.parquet",
    output:
        table="<set>/fingerprints/{dataset}.{lang}.parquet",
    log:
        "<set>/logs/fingerprint/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/fingerprint/{dataset}.{lang}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        version=setting("fingerprint-language", "version"),
        dataset=setting("fingerprint-language", "dataset"),
        lang=setting("fingerprint-language", "lang"),
    shell:
        "python -m babelmix fingerprint-language"
        " --set {params.version} {params.dataset} {params.lang}"
        " --conversations {input.conversations:q}"
        " --output {output.table:q}"
        " 2> {log:q}"


rule count_tokens:
    """Count tokens, for mixtures with a budget in tokens."""
    input:
        conversations="<set>/conversations/{dataset}.{lang}.parquet",
        model="<set>/models/{model}.json",
    output:
        table="<set>/counts/{model}/{dataset}.{lang}.parquet",
    log:
        "<set>/logs/counts/{model}/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/counts/{model}.{dataset}.{lang}.tsv"
    wildcard_constraints:
        lang=ROW_LANG,
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        version=setting("count-tokens", "version"),
        dataset=setting("count-tokens", "dataset"),
        lang=setting("count-tokens", "lang"),
        folder=lambda w: JOBS.path(f"models/{w.model}"),
    shell:
        "python -m babelmix count-tokens"
        " --set {params.version} {params.dataset} {params.lang}"
        " --conversations {input.conversations:q}"
        " --model {params.folder:q}"
        " --output {output.table:q}"
        " 2> {log:q}"
