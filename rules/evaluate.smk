rule best:
    input:
        HISTORY,
    output:
        table=f"{RESULTS}/best_trials.tsv",
        trials=expand(f"{RESULTS}/winners/{{rank}}/trial.json", rank=RANKS),
    params:
        winners=config["evaluation"]["winners"],
        folder=f"{RESULTS}/winners",
    log:
        f"{LOGS}/best.log",
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
    params:
        model=section("model"),
    log:
        f"{LOGS}/features-{{rank}}.log",
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
    params:
        model=section("model"),
    log:
        f"{LOGS}/retrain-{{rank}}.log",
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
    message:
        "Evaluating a linear classifier on raw pixels"
    shell:
        "hpconv baseline --data {input} --output {output} > {log} 2>&1"


rule evaluate:
    input:
        data=DATA,
        baseline=f"{RESULTS}/baseline.json",
        winners=expand(f"{RESULTS}/winners/{{rank}}/evaluation.json", rank=RANKS),
    output:
        f"{RESULTS}/final_evaluation.json",
    log:
        f"{LOGS}/evaluate.log",
    message:
        "Gathering the evaluations"
    shell:
        "hpconv evaluate --data {input.data} --baseline {input.baseline} --output {output}"
        " {input.winners} > {log} 2>&1"
