rule data:
    output:
        DATA,
    params:
        settings=section("data"),
    log:
        f"{LOGS}/data.log",
    message:
        "Writing the images and their splits"
    shell:
        "hpconv data --settings {params.settings:q} --output {output} > {log} 2>&1"
