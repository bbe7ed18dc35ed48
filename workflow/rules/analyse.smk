# Analysis: answers and judgements -> scores, tables with intervals, figures.
#
# Needs:  answers/, judgements/, mixtures/*.manifest.json, conversations/*.audit.json, metrics
# Makes:  scores/{benchmark}/{run}.parquet, tables/*.csv, figures/*.json (Vega-Lite)
# Steps:  score_answers -> make_tables -> make_figures


# Tables that Snakemake's own report shows; they are written even where they have no rows.
MAIN_TABLES = [
    "decision",
    "grades",
    "gains",
    "contrasts",
    "preferences",
    "answer_language",
    "agreement",
    "cost",
]


rule score_answers:
    """Measure one run's answers without a judge: language, emptiness, repetition, length."""
    input:
        answers="<set>/answers/{benchmark}/{run}.parquet",
    output:
        table="<set>/scores/{benchmark}/{run}.parquet",
    log:
        "<set>/logs/score/{benchmark}/{run}.log",
    benchmark:
        "<set>/timings/score/{benchmark}.{run}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        version=setting("score", "version"),
        run=setting("score", "run"),
        benchmark=setting("score", "benchmark"),
        languages=setting("score", "languages"),
        all_languages=setting("score", "all_languages"),
    shell:
        "python -m babelmix score"
        " --set {params.version} {params.run} {params.benchmark} {params.languages}"
        " {params.all_languages}"
        " --answers {input.answers:q}"
        " --output {output.table:q}"
        " 2> {log:q}"


rule describe_study:
    """What tables, figures and the report must know of the study set."""
    output:
        study="<set>/study.json",
    log:
        "<set>/logs/describe.log",
    benchmark:
        "<set>/timings/describe.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=600,
        runtime=5,
    params:
        digest=JOBS.description_digest(),
        config=JOBS.path("config.resolved.json"),
    shell:
        "python -m babelmix describe"
        " --config {params.config:q}"
        " --output {output.study:q}"
        " 2> {log:q}"


rule make_tables:
    """Every table, with intervals that keep the turns of one question together."""
    input:
        study="<set>/study.json",
        scores=JOBS.all_scores(),
        judgements=JOBS.all_judgements(),
        manifests=JOBS.all_manifests(),
        audits=JOBS.all_audits(),
        metrics=JOBS.all_metrics(),
        questions=JOBS.all_questions(),
        humans=JOBS.human_labels(),
        likelihoods=JOBS.all_likelihoods(),
    output:
        index="<set>/tables/index.json",
        main=report(
            expand("<set>/tables/{table}.csv", table=MAIN_TABLES),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<set>/logs/tables.log",
    benchmark:
        "<set>/timings/tables.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: memory(input, attempt, 4000),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        version=JOBS.version("tables"),
        files=JOBS.path("lists/tables.txt"),
        folder=lambda w, output: str(Path(output.index).parent),
    shell:
        "python -m babelmix tables"
        " --study {input.study:q}"
        " @{params.files:q}"
        " --folder {params.folder:q}"
        " --output {output.index:q}"
        " 2> {log:q}"


rule make_figures:
    """Every figure, as Vega-Lite, from the tables alone."""
    input:
        study="<set>/study.json",
        tables="<set>/tables/index.json",
    output:
        index="<set>/figures/index.json",
        rendered=report(
            directory("<set>/figures/rendered"),
            patterns=["{figure}.svg"],
            category="Figures",
            labels={"figure": "{figure}"},
            caption="../report/figures.rst",
        ),
    log:
        "<set>/logs/figures.log",
    benchmark:
        "<set>/timings/figures.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        version=JOBS.version("figures"),
        folder=lambda w, output: str(Path(output.index).parent),
    shell:
        "python -m babelmix figures"
        " --study {input.study:q}"
        " --tables {input.tables:q}"
        " --folder {params.folder:q}"
        " --rendered {output.rendered:q}"
        " --output {output.index:q}"
        " 2> {log:q}"
