# Judging: answers -> verdicts, each call counted once, each unscored verdict with its reason.
#
# Needs:  answers/{benchmark}/{run}.parquet, benchmarks/, a judge
# Makes:  judgements/{evaluation}/{run}.parquet    raw text kept
#         baselines/{evaluation}/{run}.json        the best monolingual run, where grades choose it
# Steps:  judge_single; choose_baseline -> judge_pairs (both orders); of a jury's members -> judge_jury
# Finished calls are in journals/judge/, which is no output of a rule: nothing is bought twice.


rule judge_single:
    """Grade one run's answers. Bottleneck: API, money."""
    input:
        unpack(lambda w: JOBS.judge_input(w.evaluation, w.run)),
        prompts=lambda w: JOBS.judge_prompts(w.evaluation),
    output:
        table="<set>/judgements/{evaluation}/{run}.parquet",
    log:
        "<set>/logs/judge/{evaluation}/{run}.log",
    benchmark:
        "<set>/timings/judge/{evaluation}.{run}.tsv"
    wildcard_constraints:
        evaluation=JOBS.evaluations_by("grades"),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        # Jobs of one key share its rate limit: the profile says how many run at a time.
        judge=lambda w: JOBS.asks_api(w.evaluation),
        mem_mb=lambda w, input, attempt: memory(input, attempt, 1500),
        runtime=lambda w, attempt: JOBS.judge_minutes(w.evaluation, w.run, attempt),
    params:
        spec=lambda w: JOBS.judge(w.evaluation, w.run),
        prompts=lambda w: JOBS.prompts_digest(w.evaluation, w.run),
        journal=lambda w: JOBS.path(f"journals/judge/{w.evaluation}/{w.run}.jsonl"),
        # Journals of judges and runs that had other names: no reply is bought again.
        former=lambda w, resources: JOBS.path("lists/former_journals.txt"),
        # The judge's host, price, cap and speed are read from there: changing one reruns nothing.
        config=JOBS.path("config.resolved.json"),
    shell:
        "python -m babelmix judge-single"
        " --spec {params.spec:q}"
        " --config {params.config:q}"
        " --answers {input.answers:q}"
        " --questions {input.questions:q}"
        " --journal {params.journal:q}"
        " --former-journals {params.former:q}"
        " --output {output.table:q}"
        " 2> {log:q}"


rule choose_baseline:
    """Choose the best monolingual run by its mean single grade."""
    input:
        judgements=lambda w: JOBS.choose_baseline_input(w.evaluation, w.run),
    output:
        choice="<set>/baselines/{evaluation}/{run}.json",
    log:
        "<set>/logs/baseline/{evaluation}/{run}.log",
    benchmark:
        "<set>/timings/baseline/{evaluation}.{run}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=600,
        runtime=5,
    params:
        spec=lambda w: JOBS.choose_baseline(w.evaluation, w.run),
    shell:
        "python -m babelmix choose-baseline"
        " --spec {params.spec:q}"
        " --judgements {input.judgements:q}"
        " --output {output.choice:q}"
        " 2> {log:q}"


rule judge_pairs:
    """Compare one run's answers with a baseline's, in both orders. Bottleneck: API, money."""
    input:
        unpack(lambda w: JOBS.pairs_input(w.evaluation, w.run)),
        prompts=lambda w: JOBS.judge_prompts(w.evaluation),
    output:
        table="<set>/judgements/{evaluation}/{run}.parquet",
    log:
        "<set>/logs/judge/{evaluation}/{run}.log",
    benchmark:
        "<set>/timings/judge/{evaluation}.{run}.tsv"
    wildcard_constraints:
        evaluation=JOBS.evaluations_by("pairs"),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        # Jobs of one key share its rate limit: the profile says how many run at a time.
        judge=lambda w: JOBS.asks_api(w.evaluation),
        mem_mb=lambda w, input, attempt: memory(input, attempt, 1500),
        runtime=lambda w, attempt: JOBS.judge_minutes(w.evaluation, w.run, attempt),
    params:
        spec=lambda w: JOBS.judge(w.evaluation, w.run),
        baselines=lambda w: JOBS.baseline_map(w.evaluation, w.run),
        choice=lambda w: JOBS.baseline_option(w.evaluation, w.run),
        prompts=lambda w: JOBS.prompts_digest(w.evaluation, w.run),
        journal=lambda w: JOBS.path(f"journals/judge/{w.evaluation}/{w.run}.jsonl"),
        # Journals of judges and runs that had other names: no reply is bought again.
        former=lambda w, resources: JOBS.path("lists/former_journals.txt"),
        # The judge's host, price, cap and speed are read from there: changing one reruns nothing.
        config=JOBS.path("config.resolved.json"),
    shell:
        "python -m babelmix judge-pairs"
        " --spec {params.spec:q}"
        " --config {params.config:q}"
        " --answers {input.answers:q}"
        " --baseline-answers {input.baseline_answers:q}"
        " --baseline-map {params.baselines:q}"
        " {params.choice}"
        " --questions {input.questions:q}"
        " --journal {params.journal:q}"
        " --former-journals {params.former:q}"
        " --output {output.table:q}"
        " 2> {log:q}"


rule judge_jury:
    """Join the judgements of a jury's members on one run. No call is made."""
    input:
        judgements=lambda w: JOBS.jury_input(w.evaluation, w.run),
    output:
        table="<set>/judgements/{evaluation}/{run}.parquet",
    log:
        "<set>/logs/judge/{evaluation}/{run}.log",
    benchmark:
        "<set>/timings/judge/{evaluation}.{run}.tsv"
    wildcard_constraints:
        evaluation=JOBS.evaluations_by("jury"),
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: memory(input, attempt, 600),
        runtime=5,
    params:
        spec=lambda w: JOBS.jury(w.evaluation, w.run),
    shell:
        "python -m babelmix judge-jury"
        " --spec {params.spec:q}"
        " --judgements {input.judgements:q}"
        " --output {output.table:q}"
        " 2> {log:q}"
