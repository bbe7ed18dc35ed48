# Mixtures: a parallel pool -> the rows that a model is tuned on.
#
# Needs:  pools/, fingerprints/, counts/ (see pools.smk), benchmarks/ (to look for their questions)
# Makes:  contamination/{dataset}.json, .parquet  benchmark questions found in the pool
#         mixtures/{mixture}.parquet              (id, language) pairs
#         mixtures/{mixture}.selection.json       rows and characters by language, digests, seed
#         mixtures/{mixture}.manifest.json        the same with tokens, licences, contamination
#         mixtures/{mixture}.cleared.json         its pools were searched: it may be trained on
# Steps:  build_mixture; find_contamination -> clear_mixture; both -> mixture_manifest
# A mixture reads the indexes of its own languages only: a language added to a pool changes no other.


# A benchmark that is added must train nothing again, so no training may hang on this job: behind a job
# that is to be run Snakemake trains anew, or (through `ancient`) overlooks that parameters changed.
# Hence `clear_mixture`. Where hits are left out they are an input of the mixture.
rule find_contamination:
    """Look for the benchmarks' questions in a pool, in any language."""
    input:
        unpack(lambda w: JOBS.contamination_input(w.dataset)),
    output:
        hits="<set>/contamination/{dataset}.parquet",
        manifest="<set>/contamination/{dataset}.json",
    log:
        "<set>/logs/contamination/{dataset}.log",
    benchmark:
        "<set>/timings/contamination/{dataset}.tsv"
    priority: 100
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        version=setting("find-contamination", "version"),
        dataset=setting("find-contamination", "dataset"),
        languages=setting("find-contamination", "languages"),
        on_contamination=setting("find-contamination", "on_contamination"),
        similarity=setting("find-contamination", "similarity"),
        shared_ids=setting("find-contamination", "shared_ids"),
    shell:
        "python -m babelmix find-contamination"
        " --set {params.version} {params.dataset} {params.languages}"
        " {params.on_contamination} {params.similarity} {params.shared_ids}"
        " --conversations {input.conversations:q}"
        " --questions {input.questions:q}"
        " --output {output.hits:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"


# Held to mixtures that have no such record: where there is one, Snakemake takes it for a source, and
# nothing hangs on the search any more. (A later search that fails still fails the run.)
rule clear_mixture:
    """Let a mixture be trained on, once its pools have been searched for benchmark questions."""
    input:
        searches=lambda w: JOBS.searches(w.mixture),
    output:
        record="<set>/mixtures/{mixture}.cleared.json",
    log:
        "<set>/logs/cleared/{mixture}.log",
    benchmark:
        "<set>/timings/cleared/{mixture}.tsv"
    wildcard_constraints:
        mixture=JOBS.uncleared(),
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=600,
        runtime=5,
    params:
        version=JOBS.version("cleared"),
    shell:
        "python -m babelmix clear-mixture"
        " --mixture {wildcards.mixture:q}"
        " --searches {input.searches:q}"
        " --output {output.record:q}"
        " 2> {log:q}"


rule build_mixture:
    """Select one mixture's rows; its invariants are checked here."""
    input:
        unpack(lambda w: JOBS.mixture_input(w.mixture)),
    output:
        table="<set>/mixtures/{mixture}.parquet",
        selection="<set>/mixtures/{mixture}.selection.json",
    log:
        "<set>/logs/mixture/{mixture}.log",
    benchmark:
        "<set>/timings/mixture/{mixture}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        version=setting("build-mixture", "version"),
        name=setting("build-mixture", "name"),
        dataset=setting("build-mixture", "dataset"),
        kind=setting("build-mixture", "kind"),
        languages=setting("build-mixture", "languages"),
        main=setting("build-mixture", "main"),
        lead=setting("build-mixture", "lead"),
        mixed_percent=setting("build-mixture", "mixed_percent"),
        mixed_rows=setting("build-mixture", "mixed_rows"),
        weights=setting("build-mixture", "weights"),
        rows=setting("build-mixture", "rows"),
        fraction=setting("build-mixture", "fraction"),
        tokens=setting("build-mixture", "tokens"),
        tokenizer=setting("build-mixture", "tokenizer"),
        seed=setting("build-mixture", "seed"),
        rows_seed=setting("build-mixture", "rows_seed"),
        salt=setting("build-mixture", "salt"),
        on_contamination=setting("build-mixture", "on_contamination"),
        sound_in=setting("build-mixture", "sound_in"),
        filters=setting("build-mixture", "filters"),
        parts=setting("build-mixture", "parts"),
        take=setting("build-mixture", "take"),
        by_size=setting("build-mixture", "by_size"),
        temperature=setting("build-mixture", "temperature"),
        repeat=setting("build-mixture", "repeat"),
        repeated_ids=setting("build-mixture", "repeated_ids"),
        by_language=setting("build-mixture", "by_language"),
        order=setting("build-mixture", "order"),
        deduplicate=setting("build-mixture", "deduplicate"),
    shell:
        "python -m babelmix build-mixture"
        " --set {params.version} {params.name} {params.dataset} {params.kind}"
        " {params.languages} {params.main} {params.lead} {params.mixed_percent}"
        " {params.mixed_rows} {params.weights} {params.rows} {params.fraction}"
        " {params.tokens} {params.tokenizer} {params.seed} {params.rows_seed}"
        " {params.salt} {params.on_contamination} {params.sound_in} {params.filters}"
        " {params.parts} {params.take} {params.by_size} {params.temperature}"
        " {params.repeat} {params.repeated_ids} {params.by_language} {params.order}"
        " {params.deduplicate}"
        " --pools {input.pools:q}"
        " --counts {input.counts:q}"
        " --contamination {input.hits:q}"
        " --fingerprints {input.fingerprints:q}"
        " --output {output.table:q}"
        " --selection {output.selection:q}"
        " 2> {log:q}"


rule mixture_manifest:
    """All that is known of one mixture; nothing that trains reads it."""
    input:
        table="<set>/mixtures/{mixture}.parquet",
        selection="<set>/mixtures/{mixture}.selection.json",
        contamination=lambda w: JOBS.searches(w.mixture),
        tokenised=lambda w: JOBS.mixture_tokenised(w.mixture),
        fingerprints=lambda w: JOBS.fingerprints(w.mixture),
    output:
        manifest="<set>/mixtures/{mixture}.manifest.json",
    log:
        "<set>/logs/manifest/{mixture}.log",
    benchmark:
        "<set>/timings/manifest/{mixture}.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        version=setting("mixture-manifest", "version"),
        mixture=setting("mixture-manifest", "mixture"),
        licences=setting("mixture-manifest", "licences"),
        non_commercial=setting("mixture-manifest", "non_commercial"),
        similarity=setting("mixture-manifest", "similarity"),
    shell:
        "python -m babelmix mixture-manifest"
        " --set {params.version} {params.mixture} {params.licences}"
        " {params.non_commercial} {params.similarity}"
        " --mixture {input.table:q}"
        " --selection {input.selection:q}"
        " --contamination {input.contamination:q}"
        " --tokenised {input.tokenised:q}"
        " --fingerprints {input.fingerprints:q}"
        " --output {output.manifest:q}"
        " 2> {log:q}"
