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
        # Jobs of one key share its rate limit: the profile says how many of them run at a time.
        **JOBS.judge_keys,
        mem_mb=lambda w, input, attempt: memory(input, attempt, 1500),
        runtime=lambda w, attempt: JOBS.judge_minutes(w.evaluation, w.run, attempt),
    params:
        version=setting("judge-single", "version"),
        run=setting("judge-single", "run"),
        benchmark=setting("judge-single", "benchmark"),
        languages=setting("judge-single", "languages"),
        protocol=setting("judge-single", "protocol"),
        judge_name=setting("judge-single", "judge_name"),
        judge=setting("judge-single", "judge"),
        baseline=setting("judge-single", "baseline"),
        all_languages=setting("judge-single", "all_languages"),
        prompts=lambda w: JOBS.prompts_digest(w.evaluation, w.run),
        journal=lambda w: JOBS.path(f"journals/judge/{w.evaluation}/{w.run}.jsonl"),
        # Journals of judges and runs that had other names: no reply is bought again.
        former=lambda w, resources: JOBS.path("lists/former_journals.txt"),
        # The judge's host, price, cap and speed are read from there: changing one reruns nothing.
        config=JOBS.path("config.resolved.json"),
    shell:
        "python -m babelmix judge-single"
        " --set {params.version} {params.run} {params.benchmark} {params.languages}"
        " {params.protocol} {params.judge_name} {params.judge} {params.baseline}"
        " {params.all_languages}"
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
        version=setting("choose-baseline", "version"),
        benchmark=setting("choose-baseline", "benchmark"),
        judge_name=setting("choose-baseline", "judge_name"),
        runs=setting("choose-baseline", "runs"),
    shell:
        "python -m babelmix choose-baseline"
        " --set {params.version} {params.benchmark} {params.judge_name} {params.runs}"
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
        # Jobs of one key share its rate limit: the profile says how many of them run at a time.
        **JOBS.judge_keys,
        mem_mb=lambda w, input, attempt: memory(input, attempt, 1500),
        runtime=lambda w, attempt: JOBS.judge_minutes(w.evaluation, w.run, attempt),
    params:
        version=setting("judge-pairs", "version"),
        run=setting("judge-pairs", "run"),
        benchmark=setting("judge-pairs", "benchmark"),
        languages=setting("judge-pairs", "languages"),
        protocol=setting("judge-pairs", "protocol"),
        judge_name=setting("judge-pairs", "judge_name"),
        judge=setting("judge-pairs", "judge"),
        baseline=setting("judge-pairs", "baseline"),
        all_languages=setting("judge-pairs", "all_languages"),
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
        " --set {params.version} {params.run} {params.benchmark} {params.languages}"
        " {params.protocol} {params.judge_name} {params.judge} {params.baseline}"
        " {params.all_languages}"
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
        version=setting("judge-jury", "version"),
        run=setting("judge-jury", "run"),
        judge_name=setting("judge-jury", "judge_name"),
        members=setting("judge-jury", "members"),
        languages=setting("judge-jury", "languages"),
    shell:
        "python -m babelmix judge-jury"
        " --set {params.version} {params.run} {params.judge_name} {params.members}"
        " {params.languages}"
        " --judgements {input.judgements:q}"
        " --output {output.table:q}"
        " 2> {log:q}"
