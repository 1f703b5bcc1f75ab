rule best:
    input:
        HISTORY,
    output:
        table=f"{RESULTS}/best_trials.tsv",
        trials=expand(f"{RESULTS}/winners/{{rank}}/trial.json", rank=RANKS),
    log:
        f"{LOGS}/best.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        winners=config["evaluation"]["winners"],
        folder=lambda wildcards, output: Path(output.trials[0]).parents[1],
    message:
        "Ranking the trials"
    shell:
        "hpconv best --history {input} --winners {params.winners} --folder {params.folder}"
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
    message:
        "Winner {wildcards.rank}: extracting features of all images"
    shell:
        "hpconv features --trial {input.trial} --data {input.data} --model {params.model:q}"
        " --output {output} > {log} 2>&1"


rule retrain:
    input:
        trial=f"{RESULTS}/winners/{{rank}}/trial.json",
        data=DATA,
        features=f"{RESULTS}/winners/{{rank}}/features.h5",
    output:
        f"{RESULTS}/winners/{{rank}}/evaluation.json",
    log:
        f"{LOGS}/retrain-{{rank}}.log",
    conda:
        "../envs/hpconv.yaml"
    threads: config["search"]["worker_threads"]
    resources:
        mem_mb=MEMORY_MB,
    params:
        model=section("model"),
    message:
        "Winner {wildcards.rank}: retraining and testing"
    shell:
        "hpconv retrain --trial {input.trial} --data {input.data} --features {input.features}"
        " --model {params.model:q} --output {output} > {log} 2>&1"


rule baseline:
    input:
        DATA,
    output:
        f"{RESULTS}/baseline.json",
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
    message:
        "Ensemble: extracting its members' features, retraining and testing"
    shell:
        "hpconv ensemble --history {input.history} --data {input.data} --model {params.model:q}"
        " --folder {params.folder} --output {output} > {log} 2>&1"


rule evaluate:
    input:
        data=DATA,
        baseline=f"{RESULTS}/baseline.json",
        ensemble=grown_ensemble(),
        winners=expand(f"{RESULTS}/winners/{{rank}}/evaluation.json", rank=RANKS),
    output:
        f"{RESULTS}/final_evaluation.json",
    log:
        f"{LOGS}/evaluate.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        ensemble=lambda wildcards, input: (
            f"--ensemble {input.ensemble}" if input.ensemble else ""
        ),
    message:
        "Gathering the evaluations"
    shell:
        "hpconv evaluate --data {input.data} --baseline {input.baseline} --output {output}"
        " {params.ensemble} {input.winners} > {log} 2>&1"
