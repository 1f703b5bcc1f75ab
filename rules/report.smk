rule report:
    input:
        history=HISTORY,
        data=DATA,
        evaluation=FINAL,
        features=f"{RESULTS}/winners/1/features.h5",
    output:
        REPORT,
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        winners=lambda wildcards, input: Path(input.features).parents[1],
    message:
        "Writing the report"
    shell:
        "hpconv report --history {input.history} --data {input.data}"
        " --evaluation {input.evaluation} --winners {params.winners} --output {output}"
        " > {log} 2>&1"
