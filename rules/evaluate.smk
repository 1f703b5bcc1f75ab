# A checkpoint: when it has run, Snakemake looks again at which winners' trials are others now.
checkpoint rank:
    input:
        HISTORY,
    output:
        table=report(
            f"{RESULTS}/best_trials.tsv",
            caption="captions/best_trials.rst",
            category="Search",
            labels={"shows": "trials that worked, the best first", "as": "table"},
        ),
        trials=of_winners("trial.json"),
    log:
        f"{LOGS}/rank.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        winners=config["evaluation"]["winners"],
        folder=lambda wildcards, output: Path(output.trials[0]).parents[1],
    message:
        "Ranking the trials"
    shell:
        "hpconv rank --history {input} --winners {params.winners} --folder {params.folder}"
        " --output {output.table} > {log} 2>&1"


rule features:
    input:
        trial=f"{RESULTS}/winners/{{rank}}/trial.json",
        data=DATA,
    output:
        f"{RESULTS}/winners/{{rank}}/features.h5",
    log:
        f"{LOGS}/features-{{rank}}.log",
    conda:
        "../envs/hpconv.yaml"
    threads: config["search"]["worker_threads"]
    resources:
        mem_mb=MEMORY_MB,
    params:
        model=section("model"),
        cache=config["evaluation"]["cache"],
    message:
        "Winner {wildcards.rank}: extracting features of all images"
    shell:
        "hpconv features --trial {input.trial} --data {input.data} --model {params.model:q}"
        " --cache {params.cache:q} --output {output} > {log} 2>&1"


rule retrain_winner:
    input:
        trial=f"{RESULTS}/winners/{{rank}}/trial.json",
        data=DATA,
        features=f"{RESULTS}/winners/{{rank}}/features.h5",
    output:
        evaluation=f"{RESULTS}/winners/{{rank}}/evaluation.json",
        scores=f"{RESULTS}/winners/{{rank}}/scores.npz",
    log:
        f"{LOGS}/retrain-{{rank}}.log",
    conda:
        "../envs/hpconv.yaml"
    threads: config["search"]["worker_threads"]
    resources:
        mem_mb=MEMORY_MB,
    params:
        model=section("model"),
        seeds=config["evaluation"]["seeds"],
        cache=config["evaluation"]["cache"],
        memory=config["search"]["trial_memory_mb"],
    message:
        "Winner {wildcards.rank}: retraining and testing"
    shell:
        "hpconv retrain --trial {input.trial} --data {input.data} --features {input.features}"
        " --model {params.model:q} --seeds {params.seeds} --cache {params.cache:q}"
        " --memory-mb {params.memory}"
        " --scores {output.scores} --output {output.evaluation} > {log} 2>&1"


# All of them, as a target: `-R retrain retrain` evaluates the winners again.
rule retrain:
    input:
        retrained,


rule baseline:
    input:
        DATA,
    output:
        BASELINE,
    log:
        f"{LOGS}/baseline.log",
    conda:
        "../envs/hpconv.yaml"
    threads: config["search"]["worker_threads"]
    message:
        "Evaluating a linear classifier on raw pixels"
    shell:
        "hpconv baseline --data {input} --output {output} > {log} 2>&1"


rule ensemble:
    input:
        history=HISTORY,
        data=DATA,
    output:
        f"{RESULTS}/ensemble/evaluation.json",
    log:
        f"{LOGS}/ensemble.log",
    conda:
        "../envs/hpconv.yaml"
    threads: config["search"]["worker_threads"]
    resources:
        mem_mb=MEMORY_MB,
    params:
        model=section("model"),
        folder=subpath(output[0], parent=True),
        cache=config["evaluation"]["cache"],
        memory=config["search"]["trial_memory_mb"],
    message:
        "Ensemble: extracting its members' features, retraining and testing"
    shell:
        "hpconv ensemble --history {input.history} --data {input.data} --model {params.model:q}"
        " --folder {params.folder} --cache {params.cache:q} --memory-mb {params.memory}"
        " --output {output} > {log} 2>&1"


rule evaluate:
    input:
        data=DATA,
        baseline=BASELINE,
        ensemble=grown_ensemble(),
        winners=of_winners("evaluation.json"),
        scores=of_winners("scores.npz"),
    output:
        report(
            FINAL,
            caption="captions/final_evaluation.rst",
            category="Evaluation",
            labels={"shows": "what the test says of each winner", "as": "JSON"},
        ),
    log:
        f"{LOGS}/evaluate.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        ensemble=lambda wildcards, input: (
            f"--ensemble {input.ensemble}" if input.ensemble else ""
        ),
        logs=LOGS,
    message:
        "Gathering the evaluations"
    shell:
        "hpconv evaluate --data {input.data} --baseline {input.baseline} --logs {params.logs}"
        " --output {output} {params.ensemble} {input.winners} > {log} 2>&1"
