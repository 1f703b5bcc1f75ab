rule report:
    input:
        history=HISTORY,
        ended=ENDED,
        data=DATA,
        evaluation=FINAL,
        winners=of_winners("evaluation.json"),
        scores=of_winners("scores.npz"),
        features=of_winners("features.h5"),
    output:
        page=report(
            REPORT,
            caption="captions/report.rst",
            category="Report",
            labels={"shows": "the whole experiment", "as": "page"},
        ),
        importance=report(
            IMPORTANCE,
            caption="captions/importance.rst",
            category="Search",
            labels={"shows": "importance of the hyperparameters", "as": "table"},
        ),
    log:
        f"{LOGS}/report.log",
    localrule: True
    conda:
        "../envs/hpconv.yaml"
    params:
        folder=subpath(output.page, parent=True),
        bands=keys("report"),
    message:
        "Writing the report"
    shell:
        "hpconv report --experiment {params.folder} --output {output.page}"
        " --importance {output.importance} > {log} 2>&1"
