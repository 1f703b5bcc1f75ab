rule data:
    output:
        DATA,
    log:
        f"{LOGS}/data.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        config=CONFIG,
        data=keys("data"),
    message:
        "Writing the images and their splits"
    shell:
        "hpconv data --config {params.config} --output {output} 2> >(tee {log} >&2)"
