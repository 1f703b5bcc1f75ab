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
        stopped=STOPPED,
        workers=ALL_ENDED,
    message:
        "Searching: suggesting trials and collecting their results"
    shell:
        "exec hpconv driver --connection {params.connection} --config {params.config}"
        " --data {input.data} --output {output.history} --summary {output.summary}"
        " --live {params.live} --stopped {params.stopped} --workers {params.workers}"
        " 2> >(tee {log} >&2)"


# A worker never fails the run: the search goes on without it. If it cannot evaluate trials, it writes
# the reason into its record; if it is killed, it is started again, and at last only records that.
rule worker:
    input:
        ready=f"{RUN}/server.ready",
        data=DATA,
    output:
        temp(f"{RUN}/worker-{{number}}.json"),
    log:
        f"{LOGS}/worker-{{number}}.log",
    # on a cluster the executor starts it again
    retries: RESTARTS if workflow.is_main_process and workflow.nodes is None else 0
    conda:
        "../envs/hpconv.yaml"
    threads: settings.search.worker_threads
    resources:
        mem_mb=MEMORY_MB,
        restarts_left=lambda wildcards, attempt: RESTARTS + 1 - attempt,
        pbs_until=SUMMARY,  # for the executor: afterwards the job is not needed
    params:
        connection=CONNECTION,
        config=CONFIG,
        summary=SUMMARY,
        stopped=STOPPED,
        failure=FAILURE,
        workdir=lambda wildcards, output: Path(output[0]).parents[1],  # of all runs
    message:
        "Worker {wildcards.number}: evaluating trials"
    shell:
        "exec hpconv worker-job --connection {params.connection} --config {params.config}"
        " --summary {params.summary} --stopped {params.stopped} --failure {params.failure}"
        " --workdir {params.workdir} --output {output}"
        " --restarts-left {resources.restarts_left} > {log} 2>&1"


# The rules after a search must not depend on the number of its workers, so only their records are
# kept, one a line; a worker that was not needed has an empty one.
rule workers_done:
    input:
        expand(f"{RUN}/worker-{{number}}.json", number=WORKERS),
    output:
        temp(ALL_ENDED),
    log:
        f"{LOGS}/workers_done.log",
    localrule: True
    conda:
        "../envs/hpconv.yaml"
    message:
        "All workers have finished"
    shell:
        "for record in {input}; do echo $(cat $record); done > {output} 2> {log}"


rule gather:
    input:
        history=EXPORT,
        summary=SUMMARY,
        workers=ALL_ENDED,
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
    localrule: True
    conda:
        "../envs/hpconv.yaml"
    params:
        stopping=keys("search", *STOPPING),  # with other rules to stop, the search continues
        run=run_name(),
    message:
        "Exporting all trials"
    shell:
        "hpconv gather --history {input.history} --summary {input.summary}"
        " --workers {input.workers} --run {params.run} --csv {output.csv}"
        " --output {output.history} --ended {output.summary} > {log} 2>&1"
