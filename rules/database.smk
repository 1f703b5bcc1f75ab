# Server and driver are one group: the server is a service that only the driver consumes, so it
# starts before the driver and stops after it. Workers wait for the address of the server instead,
# so that a cluster can run them on other nodes.
#
# The service file only means that the server was launched: Snakemake does not react to Ctrl-C while
# it waits for that file. Driver and workers wait for the connection file, which also reports errors.
rule mongod:
    output:
        service(f"{RESULTS}/mongodb/launched"),
    log:
        f"{LOGS}/mongod.log",
    conda:
        "../envs/mongodb.yaml"
    params:
        connection=CONNECTION,
        dbpath=f"{RESULTS}/mongodb/db",
        mongod_log=f"{LOGS}/mongod-server.log",
        options=server_options(),
    message:
        "Starting MongoDB"
    shell:
        "touch {output}; exec hpconv mongod start --dbpath {params.dbpath}"
        " --connection {params.connection} --log {params.mongod_log} {params.options}"
        " > {log} 2>&1"


rule await_server:
    input:
        DATA,  # no server is started without images
    output:
        temp(touch(f"{RUN}/server.ready")),
    log:
        f"{LOGS}/await_server.log",
    localrule: True
    conda:
        "../envs/hpconv.yaml"
    params:
        connection=CONNECTION,
        config=CONFIG,
        summary=SUMMARY,
        stopped=STOPPED,
        failure=FAILURE,
    message:
        "Waiting for MongoDB"
    shell:
        "exec hpconv wait --connection {params.connection} --config {params.config}"
        " --summary {params.summary} --stopped {params.stopped} --failure {params.failure}"
        " > {log} 2>&1"
