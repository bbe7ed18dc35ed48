# Mixtures: a parallel pool -> the rows that a model is tuned on.
#
# Needs:  conversations/{dataset}.{lang}.parquet in every language of the pool
# Makes:  pools/{dataset}.parquet                 ids, train/dev split, languages that failed checks
#         mixtures/{mixture}.parquet              (id, language) pairs
#         mixtures/{mixture}.manifest.json        rows and characters by language, digests, seed
# Steps:  build_pool -> build_mixture


rule build_pool:
    """Join the languages by id and hold out the dev rows."""
    input:
        conversations=lambda w: JOBS.pool_input(w.dataset),
    output:
        table="<set>/pools/{dataset}.parquet",
        manifest="<set>/pools/{dataset}.json",
    log:
        "<set>/logs/pool/{dataset}.log",
    benchmark:
        "<set>/timings/pool/{dataset}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        spec=lambda w: JOBS.pool(w.dataset),
    shell:
        "python -m babelmix build-pool"
        " --spec {params.spec:q}"
        " --conversations {input.conversations:q}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"


rule build_mixture:
    """Select one mixture's rows; its invariants are checked here."""
    input:
        unpack(lambda w: JOBS.mixture_input(w.mixture)),
    output:
        table="<set>/mixtures/{mixture}.parquet",
        manifest="<set>/mixtures/{mixture}.manifest.json",
    log:
        "<set>/logs/mixture/{mixture}.log",
    benchmark:
        "<set>/timings/mixture/{mixture}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        spec=lambda w: JOBS.mixture(w.mixture),
    shell:
        "python -m babelmix build-mixture"
        " --spec {params.spec:q}"
        " --pool {input.pool:q}"
        " --conversations {input.conversations:q}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"
