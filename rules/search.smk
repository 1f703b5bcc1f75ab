rule driver:
    input:
        server=f"{RESULTS}/mongodb/launched",
        data=DATA,
    output:
        temp(EXPORT),
    log:
        f"{LOGS}/driver.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        connection=CONNECTION,
        experiment=config["experiment"],
        model=section("model"),
        search=section(
            "search",
            "algorithm",
            "max_evals",
            "startup_trials",
            "seed",
            "patience_minutes",
        ),
    message:
        "Searching: suggesting trials and following their results"
    shell:
        "exec hpconv driver --connection {params.connection} --exp-key {params.experiment}"
        " --data {input.data} --model {params.model:q} --search {params.search:q}"
        " --output {output} 2> >(tee {log} >&2)"


rule worker:
    input:
        ready=f"{RESULTS}/search/server.ready",
        data=DATA,
    output:
        temp(f"{RESULTS}/search/worker-{{number}}.json"),
    log:
        f"{LOGS}/worker-{{number}}.log",
    conda:
        "../envs/hpconv.yaml"
    threads: config["search"]["worker_threads"]
    params:
        connection=CONNECTION,
        experiment=config["experiment"],
        model=section("model"),
        history=EXPORT,
        max_evals=config["search"]["max_evals"],
        budget=section(
            "search", "trial_seconds", "images_per_second", "trial_memory_gb"
        ),
    message:
        "Worker {wildcards.number}: evaluating trials"
    shell:
        "exec hpconv worker --connection {params.connection} --exp-key {params.experiment}"
        " --data {input.data} --model {params.model:q} --budget {params.budget:q}"
        " --history {params.history} --max-evals {params.max_evals}"
        " --output {output} > {log} 2>&1"


rule gather:
    input:
        history=EXPORT,
        workers=expand(f"{RESULTS}/search/worker-{{number}}.json", number=WORKERS),
    output:
        history=HISTORY,
        csv=f"{RESULTS}/trials.csv",
    log:
        f"{LOGS}/gather.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        search=section("search", "max_evals"),  # a longer search continues where this one ended
    message:
        "Exporting all trials"
    shell:
        "hpconv gather --history {input.history} --csv {output.csv} --output {output.history}"
        " > {log} 2>&1"
