rule recheck:
    input:
        history=HISTORY,
        data=DATA,
    output:
        f"{RESULTS}/recheck/{{number}}.json",
    log:
        f"{LOGS}/recheck-{{number}}.log",
    conda:
        "../envs/hpconv.yaml"
    threads: settings.search.worker_threads
    resources:
        mem_mb=MEMORY_MB,
    params:
        config=CONFIG,
        model=keys("model", "engine", "batch_size"),
        splits=settings.evaluation.recheck.splits,
        cache=str(settings.evaluation.cache),
    message:
        "Candidate {wildcards.number}: fitting on other divisions"
    shell:
        "hpconv recheck --config {params.config} --history {input.history}"
        " --number {wildcards.number} --data {input.data} --output {output} > {log} 2>&1"


# A checkpoint: after it, Snakemake checks which winners' trials have changed.
checkpoint rank:
    input:
        history=HISTORY,
        rechecks=rechecks(),
    output:
        table=report(
            f"{RESULTS}/best_trials.tsv",
            caption="captions/best_trials.rst",
            category="Search",
            labels={"shows": "successful trials, best first", "as": "table"},
        ),
        trials=of_winners("trial.json"),
    log:
        f"{LOGS}/rank.log",
    localrule: True
    conda:
        "../envs/hpconv.yaml"
    params:
        winners=settings.evaluation.winners,
        variants=variant_options(),
        folder=lambda wildcards, output: Path(output.trials[0]).parents[1],
    message:
        "Ranking the trials"
    shell:
        "hpconv rank --history {input.history} --winners {params.winners}"
        " --folder {params.folder} --output {output.table} {params.variants} {input.rechecks}"
        " > {log} 2>&1"


# A winner that fails is data: this rule and the next succeed and record the failure, so that the
# other winners are evaluated and reported.
rule features:
    input:
        trial=f"{RESULTS}/winners/{{rank}}/trial.json",
        data=DATA,
        retry=last_failure,
    output:
        f"{RESULTS}/winners/{{rank}}/features.h5",
    log:
        f"{LOGS}/features-{{rank}}.log",
    conda:
        "../envs/hpconv.yaml"
    threads: settings.search.worker_threads
    resources:
        mem_mb=MEMORY_MB,
    params:
        config=CONFIG,
        model=keys("model", "engine", "batch_size"),
        cache=str(settings.evaluation.cache),
    message:
        "Winner {wildcards.rank}: extracting features of all images"
    shell:
        "hpconv features --config {params.config} --trial {input.trial} --data {input.data}"
        " --output {output} > {log} 2>&1"


# `-R retrain` evaluates all winners again.
rule retrain:
    input:
        trial=f"{RESULTS}/winners/{{rank}}/trial.json",
        data=DATA,
        features=f"{RESULTS}/winners/{{rank}}/features.h5",
    output:
        evaluation=f"{RESULTS}/winners/{{rank}}/evaluation.json",
        scores=f"{RESULTS}/winners/{{rank}}/scores.npz",
        classifier=f"{RESULTS}/winners/{{rank}}/classifier.npz",
    log:
        f"{LOGS}/retrain-{{rank}}.log",
    conda:
        "../envs/hpconv.yaml"
    threads: settings.search.worker_threads
    resources:
        mem_mb=MEMORY_MB,
    params:
        config=CONFIG,
        model=keys("model", "engine", "batch_size"),
        seeds=settings.evaluation.seeds,
        cache=str(settings.evaluation.cache),
        memory=settings.search.trial_memory_mb,
    message:
        "Winner {wildcards.rank}: retraining and testing"
    shell:
        "hpconv retrain --config {params.config} --trial {input.trial} --data {input.data}"
        " --features {input.features} --scores {output.scores}"
        " --classifier {output.classifier} --output {output.evaluation}"
        " > {log} 2>&1"


rule baseline:
    input:
        DATA,
    output:
        BASELINE,
    log:
        f"{LOGS}/baseline.log",
    conda:
        "../envs/hpconv.yaml"
    threads: settings.search.worker_threads
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
    threads: settings.search.worker_threads
    resources:
        mem_mb=MEMORY_MB,
    params:
        config=CONFIG,
        model=keys("model", "engine", "batch_size"),
        folder=subpath(output[0], parent=True),
        cache=str(settings.evaluation.cache),
        memory=settings.search.trial_memory_mb,
    message:
        "Ensemble: extracting its members' features, retraining and testing"
    shell:
        "hpconv ensemble --config {params.config} --history {input.history} --data {input.data}"
        " --folder {params.folder} --output {output} > {log} 2>&1"


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
            labels={"shows": "test results of each winner", "as": "JSON"},
        ),
    log:
        f"{LOGS}/evaluate.log",
    localrule: True
    conda:
        "../envs/hpconv.yaml"
    params:
        ensemble=lambda wildcards, input: (
            f"--ensemble {input.ensemble}" if input.ensemble else ""
        ),
        winners=of_winners("evaluation.json", RANKS),
        variants=[f"--variant {name}" for name in VARIANTS],
    message:
        "Gathering the evaluations"
    shell:
        "hpconv evaluate --data {input.data} --baseline {input.baseline} --output {output}"
        " {params.ensemble} {params.variants} {params.winners} > {log} 2>&1"
