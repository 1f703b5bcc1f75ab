rule driver:
    input:
        server=f"{RESULTS}/mongodb/launched",
        data=DATA,
    output:
        history=temp(EXPORT),
        summary=temp(SUMMARY),
    log:
        f"{LOGS}/driver.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        connection=CONNECTION,
        config=CONFIG,
        model=keys("model"),
        budget=keys("search", "trial_seconds", "images_per_second", "trial_memory_mb"),
        search=json.dumps(search_record(settings)),
        live=f"{RESULTS}/live",  # not an output: Snakemake deletes those before a job
    message:
        "Searching: suggesting trials and collecting their results"
    shell:
        "exec hpconv driver --connection {params.connection} --config {params.config}"
        " --data {input.data} --output {output.history} --summary {output.summary}"
        " --live {params.live} 2> >(tee {log} >&2)"


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
    threads: settings.search.worker_threads
    resources:
        mem_mb=MEMORY_MB,
    params:
        connection=CONNECTION,
        config=CONFIG,
        experiment=settings.experiment,
        summary=SUMMARY,
        workdir=lambda wildcards, output: Path(output[0]).parent,
    message:
        "Worker {wildcards.number}: evaluating trials"
    shell:
        "exec hpconv worker --connection {params.connection} --exp-key {params.experiment}"
        " --config {params.config} --summary {params.summary} --workdir {params.workdir}"
        " --output {output} > {log} 2>&1"


# The rules after a search must not depend on the number of its workers, so only a count is kept.
rule workers_done:
    input:
        expand(f"{RESULTS}/search/worker-{{number}}.json", number=WORKERS),
    output:
        temp(f"{RESULTS}/search/workers.txt"),
    log:
        f"{LOGS}/workers_done.log",
    localrule: True
    conda:
        "../envs/hpconv.yaml"
    message:
        "All workers have finished"
    shell:
        "echo {input} | wc -w > {output} 2> {log}"


rule gather:
    input:
        history=EXPORT,
        summary=SUMMARY,
        workers=f"{RESULTS}/search/workers.txt",
    output:
        history=HISTORY,
        csv=report(
            f"{RESULTS}/trials.csv",
            caption="captions/trials.rst",
            category="Search",
            labels={"shows": "all trials", "as": "table"},
        ),
        summary=ENDED,
    log:
        f"{LOGS}/gather.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        stopping=keys("search", *STOPPING),  # with other rules to stop, the search continues
    message:
        "Exporting all trials"
    shell:
        "hpconv gather --history {input.history} --summary {input.summary}"
        " --workers $(cat {input.workers}) --csv {output.csv} --output {output.history}"
        " --ended {output.summary} > {log} 2>&1"
