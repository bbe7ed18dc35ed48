# Sources: raw files, as published -> conversations and questions in one shape.
#
# Needs:  local files or pinned places of `sources` in the configuration
# Makes:  raw/{source}.json                     what was fetched, with digests and licence
#         normalised/{dataset}.{lang}.parquet   conversations as the sources hold them
#         benchmarks/{benchmark}.{lang}.parquet questions, with a manifest
#         sources.json                          licences, versions, counts and defects, for the report
# Steps:  fetch_source -> normalise_dataset, read_benchmark -> describe_sources


rule fetch_source:
    """Fetch or verify one source. Bottleneck: network."""
    input:
        lambda w: JOBS.local_files(w.source),
    output:
        record="<set>/raw/{source}.json",
    log:
        "<set>/logs/fetch/{source}.log",
    benchmark:
        "<set>/timings/fetch/{source}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=600,
        runtime=120,
    params:
        version=setting("fetch", "version"),
        name=setting("fetch", "name"),
        source=setting("fetch", "source"),
        folder=lambda w: JOBS.path(f"raw/{w.source}"),
    shell:
        "python -m babelmix fetch"
        " --set {params.version} {params.name} {params.source}"
        " --folder {params.folder:q}"
        " --output {output.record:q}"
        " 2> {log:q}"


rule normalise_dataset:
    """Read a pool's sources in one language that they hold."""
    input:
        records=lambda w: JOBS.records(w.dataset),
        pivot=lambda w: JOBS.pivot_file(w.dataset, w.lang),
    output:
        table="<set>/normalised/{dataset}.{lang}.parquet",
        manifest="<set>/normalised/{dataset}.{lang}.json",
    log:
        "<set>/logs/normalise/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/normalise/{dataset}.{lang}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        version=setting("normalise", "version"),
        dataset=setting("normalise", "dataset"),
        lang=setting("normalise", "lang"),
        pivot=setting("normalise", "pivot"),
        sources=setting("normalise", "sources"),
        rows=setting("normalise", "rows"),
        fraction=setting("normalise", "fraction"),
        max_chars=setting("normalise", "max_chars"),
        seed=setting("normalise", "seed"),
        parallel=setting("normalise", "parallel"),
        choice=setting("normalise", "choice"),
        pivot_option=lambda w, input: (
            f"--pivot-file {input.pivot}" if input.pivot else ""
        ),
    shell:
        "python -m babelmix normalise"
        " --set {params.version} {params.dataset} {params.lang} {params.pivot}"
        " {params.sources} {params.rows} {params.fraction} {params.max_chars}"
        " {params.seed} {params.parallel} {params.choice}"
        " --records {input.records:q}"
        " {params.pivot_option}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"


rule read_benchmark:
    """Read a benchmark's questions in one language; the same questions in all."""
    input:
        unpack(lambda w: JOBS.benchmark_input(w.benchmark)),
    output:
        table="<set>/benchmarks/{benchmark}.{lang}.parquet",
        manifest="<set>/benchmarks/{benchmark}.{lang}.json",
    log:
        "<set>/logs/benchmark/{benchmark}.{lang}.log",
    benchmark:
        "<set>/timings/benchmark/{benchmark}.{lang}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 20 * attempt,
    params:
        version=setting("benchmark", "version"),
        name=setting("benchmark", "name"),
        lang=setting("benchmark", "lang"),
        languages=setting("benchmark", "languages"),
        source=setting("benchmark", "source"),
        dataset=setting("benchmark", "dataset"),
        questions=setting("benchmark", "questions"),
        turns=setting("benchmark", "turns"),
        max_question_chars=setting("benchmark", "max_question_chars"),
        categories=setting("benchmark", "categories"),
        place=lambda w, input: JOBS.benchmark_option(w.benchmark),
    shell:
        "python -m babelmix benchmark"
        " --set {params.version} {params.name} {params.lang} {params.languages}"
        " {params.source} {params.dataset} {params.questions} {params.turns}"
        " {params.max_question_chars} {params.categories}"
        " {params.place}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"


rule describe_sources:
    """Which data, by which licence, in which version and what is known against it."""
    input:
        study="<set>/study.json",
        records=JOBS.all_records(),
        normalised=JOBS.pivot_manifests(),
        benchmarks=JOBS.benchmark_manifests(),
    output:
        sources="<set>/sources.json",
    log:
        "<set>/logs/describe-sources.log",
    benchmark:
        "<set>/timings/describe-sources.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=600,
        runtime=5,
    params:
        version=JOBS.version("sources"),
    shell:
        "python -m babelmix describe-sources"
        " --study {input.study:q}"
        " --records {input.records:q}"
        " --normalised {input.normalised:q}"
        " --benchmarks {input.benchmarks:q}"
        " --output {output.sources:q}"
        " 2> {log:q}"
