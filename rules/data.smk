rule data:
    output:
        DATA,
    log:
        f"{LOGS}/data.log",
    conda:
        "../envs/hpconv.yaml"
    params:
        settings=section("data"),
    message:
        "Writing the images and their splits"
    shell:
        "hpconv data --settings {params.settings:q} --output {output} > {log} 2>&1"
