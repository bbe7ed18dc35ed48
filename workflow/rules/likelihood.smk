# Likelihood: a checkpoint and held-out texts -> bits of each turn, in each language, without a judge.
#
# Needs:  checkpoints/{run}.json (or models/{model}.json for the untuned base); conversations/ and pools/
#         of a pool that holds out rows, or benchmarks/ with references; mixtures/, fingerprints/
# Makes:  likelihoods/{held_out}/{run}.parquet   bits and bytes of every turn, or why it is not scored
#         likelihoods/{held_out}/{run}.json      counts
# Steps:  score_likelihood (one forward pass for all languages)


rule score_likelihood:
    """Bits of held-out texts under one run, paired by id over the languages. Bottleneck: GPU."""
    input:
        unpack(lambda w: JOBS.likelihood_input(w.held_out, w.run)),
        completed=lambda w: JOBS.checkpoint(w.run)["completed"],
    output:
        table="<set>/likelihoods/{held_out}/{run}.parquet",
        manifest="<set>/likelihoods/{held_out}/{run}.json",
    log:
        "<set>/logs/likelihood/{held_out}/{run}.log",
    benchmark:
        "<set>/timings/likelihood/{held_out}.{run}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: lambda w: JOBS.threads(w.run)
    resources:
        gpu=lambda w: min(1, JOBS.gpus(w.run)),
        mem_mb=lambda w, attempt: JOBS.model_memory(
            JOBS.plan.runs[w.run].model, attempt
        ),
        runtime=lambda w, attempt: JOBS.likelihood_minutes(w.held_out, w.run, attempt),
    params:
        version=setting("likelihood", "version"),
        run=setting("likelihood", "run"),
        held_out=setting("likelihood", "held_out"),
        kind=setting("likelihood", "kind"),
        split=setting("likelihood", "split"),
        languages=setting("likelihood", "languages"),
        rows=setting("likelihood", "rows"),
        shared_ids=setting("likelihood", "shared_ids"),
        prompts=setting("likelihood", "prompts"),
        system_prompts=setting("likelihood", "system_prompts"),
        precision=setting("likelihood", "precision"),
        trust_remote_code=setting("likelihood", "trust_remote_code"),
        checkpoint=lambda w: JOBS.checkpoint(w.run)["folder"],
        # Where it runs: with `resources` among the arguments, a change reruns nothing.
        device=lambda w, resources: JOBS.device(w.run),
    shell:
        "python -m babelmix likelihood"
        " --set {params.version} {params.run} {params.held_out} {params.kind}"
        " {params.split} {params.languages} {params.rows} {params.shared_ids}"
        " {params.prompts} {params.system_prompts} {params.precision}"
        " {params.trust_remote_code}"
        " --texts {input.texts:q}"
        " --indexes {input.indexes:q}"
        " --mixture {input.mixture:q}"
        " --fingerprints {input.fingerprints:q}"
        " --checkpoint {params.checkpoint:q}"
        " --completed {input.completed:q}"
        " --device {params.device}"
        " --threads {threads}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"
