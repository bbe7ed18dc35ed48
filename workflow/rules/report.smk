# Report: tables, figures and answers -> one self-contained page.
#
# Needs:  sources.json, tables/, figures/, answers/, judgements/, benchmarks/, manifests
# Makes:  report/index.html   opens from the disk, no network
# Steps:  make_report


rule make_report:
    """The page for people."""
    input:
        study="<set>/study.json",
        sources="<set>/sources.json",
        tables="<set>/tables/index.json",
        figures="<set>/figures/index.json",
        answers=JOBS.all_answers(),
        questions=JOBS.all_questions(),
        judgements=JOBS.all_judgements(),
        manifests=JOBS.all_manifests(),
    output:
        page=report(
            "<set>/report/index.html",
            category="Report",
            caption="../report/page.rst",
        ),
    log:
        "<set>/logs/report.log",
    benchmark:
        "<set>/timings/report.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: memory(input, attempt, 4000),
        runtime=lambda w, attempt: 30 * attempt,
    params:
        version=JOBS.version("report"),
        files=JOBS.path("lists/report.txt"),
    shell:
        "python -m babelmix report"
        " --study {input.study:q}"
        " --sources {input.sources:q}"
        " --tables {input.tables:q}"
        " --figures {input.figures:q}"
        " @{params.files:q}"
        " --output {output.page:q}"
        " 2> {log:q}"


# Each mixture by its name: `snakemake --cores all lima-x-ENDEFRITES-sampled`.
for name, files in JOBS.targets().items():
    if name != "all" and not workflow.is_rule(name):

        rule:
            name:
                name
            input:
                files,
