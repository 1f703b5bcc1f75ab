rule report:
    input:
        history=HISTORY,
        data=DATA,
        evaluation=f"{RESULTS}/final_evaluation.json",
        features=f"{RESULTS}/winners/1/features.h5",
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/hpconv.yaml"
    message:
        "Writing the report"
    shell:
        "hpconv report --history {input.history} --data {input.data}"
        " --evaluation {input.evaluation} --features {input.features} --output {output}"
        " > {log} 2>&1"
