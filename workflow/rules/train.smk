# Training: a mixture and a base model -> a fine-tuned checkpoint.
#
# Needs:  mixtures/{mixture}.parquet, conversations/, a base model
# Makes:  models/{model}.json                      the base model, brought to safetensors (folder beside)
#         tokenised/{model}.{recipe}/{dataset}.{lang}.parquet   ids and labels, shared by all mixtures
#         checkpoints/{run}.json                   written last; the weights are in checkpoints/{run}/
#         checkpoints/{run}.metrics.jsonl          the training curve
# Steps:  prepare_model, tokenise -> train (resumes from the last whole checkpoint below work/)
# Weights and checkpoints are no declared outputs: Snakemake deletes outputs before a rerun, and a
# killed training must find its checkpoints. The record carries the digest of every file.


rule prepare_model:
    """Bring a base model to a folder of safetensors with tokenizer and chat template."""
    input:
        lambda w: JOBS.model_files(w.model),
    output:
        record="<set>/models/{model}.json",
    log:
        "<set>/logs/model/{model}.log",
    benchmark:
        "<set>/timings/model/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: JOBS.model_memory(w.model, attempt),
        runtime=lambda w, attempt: 120 * attempt,
    params:
        version=setting("prepare-model", "version"),
        name=setting("prepare-model", "name"),
        model=setting("prepare-model", "model"),
        folder=lambda w: JOBS.path(f"models/{w.model}"),
    shell:
        "python -m babelmix prepare-model"
        " --set {params.version} {params.name} {params.model}"
        " --folder {params.folder:q}"
        " --output {output.record:q}"
        " 2> {log:q}"


rule tokenise:
    """Turn one language of a pool into token ids and masked labels. Bottleneck: CPU."""
    input:
        conversations="<set>/conversations/{dataset}.{lang}.parquet",
        model="<set>/models/{model}.json",
    output:
        table="<set>/tokenised/{model}.{recipe}/{dataset}.{lang}.parquet",
        manifest="<set>/tokenised/{model}.{recipe}/{dataset}.{lang}.json",
    log:
        "<set>/logs/tokenise/{model}.{recipe}/{dataset}.{lang}.log",
    benchmark:
        "<set>/timings/tokenise/{model}.{recipe}.{dataset}.{lang}.tsv"
    wildcard_constraints:
        lang=ROW_LANG,
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        version=setting("tokenise", "version"),
        dataset=setting("tokenise", "dataset"),
        lang=setting("tokenise", "lang"),
        max_length=setting("tokenise", "max_length"),
        system_prompt=setting("tokenise", "system_prompt"),
        truncation=setting("tokenise", "truncation"),
        folder=lambda w: JOBS.path(f"models/{w.model}"),
    shell:
        "python -m babelmix tokenise"
        " --set {params.version} {params.dataset} {params.lang} {params.max_length}"
        " {params.system_prompt} {params.truncation}"
        " --conversations {input.conversations:q}"
        " --model {params.folder:q}"
        " --output {output.table:q}"
        " --manifest {output.manifest:q}"
        " 2> {log:q}"


rule train:
    """Fine-tune one base model on one mixture. Bottleneck: GPU."""
    input:
        unpack(lambda w: JOBS.train_input(w.run)),
        cleared=lambda w: ancient(JOBS.cleared(JOBS.plan.runs[w.run].mixture)),
    output:
        completed="<set>/checkpoints/{run}.json",
        metrics="<set>/checkpoints/{run}.metrics.jsonl",
    log:
        "<set>/logs/train/{run}.log",
    benchmark:
        "<set>/timings/train/{run}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: lambda w: JOBS.threads(w.run)
    resources:
        gpu=lambda w: JOBS.gpus_on_one_node(w.run),
        # The rest is of trainings on several nodes alone (None: not asked for).
        nodes=lambda w: JOBS.nodes(w.run),
        tasks=lambda w: JOBS.nodes(w.run),
        tasks_per_gpu=lambda w: JOBS.no_tasks_by_gpu(w.run),
        gres=lambda w: JOBS.gpus_by_node(w.run),
        mpi=lambda w: JOBS.srun(w.run),
        mem_mb=lambda w, attempt: JOBS.train_memory(w.run, attempt),
        runtime=lambda w, attempt: JOBS.train_minutes(w.run, attempt),
    params:
        version=setting("train", "version"),
        run=setting("train", "run"),
        model_name=setting("train", "model_name"),
        model=setting("train", "model"),
        mixture=setting("train", "mixture"),
        recipe=setting("train", "recipe"),
        seed=setting("train", "seed"),
        model_folder=lambda w: JOBS.path(f"models/{JOBS.plan.runs[w.run].model}"),
        folder=lambda w: JOBS.path(f"checkpoints/{w.run}"),
        work=lambda w: JOBS.path(f"work/train/{w.run}"),
        # Where and how it runs: with `resources` among the arguments, a change reruns nothing.
        gpus=lambda w, resources: JOBS.gpus(w.run),
        device=lambda w, resources: JOBS.device(w.run),
        runtime=lambda w, resources: JOBS.train_runtime(w.run),
        launcher=lambda w, resources, threads: JOBS.launcher(w.run, threads),
        # Licences, for the model card: read from here, so that correcting one costs no training.
        config=JOBS.path("config.resolved.json"),
    shell:
        "{params.launcher}"
        "python -m babelmix train"
        " --set {params.version} {params.run} {params.model_name} {params.model}"
        " {params.mixture} {params.recipe} {params.seed}"
        " --mixture {input.mixture:q}"
        " --manifest {input.selection:q}"
        " --tokenised {input.tokenised:q}"
        " --model {params.model_folder:q}"
        " --config {params.config:q}"
        " --work {params.work:q}"
        " --threads {threads}"
        " --gpus {params.gpus}"
        " --device {params.device}"
        " --runtime {params.runtime:q}"
        " --folder {params.folder:q}"
        " --metrics {output.metrics:q}"
        " --completed {output.completed:q}"
        " 2> {log:q}"
