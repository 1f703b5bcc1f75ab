# A job that others wait for, and helpers that are needed until it has ended.
NUMBERS = range(int(config.get("helpers", 1)))


rule all:
    input:
        "done.txt",
        expand("helper/{number}.txt", number=NUMBERS),


rule work:
    output:
        "done.txt",
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "until [ -e go.txt ]; do sleep 0.1; done; touch {output}"


rule helper:
    output:
        "helper/{number}.txt",
    threads: 3
    resources:
        mem_mb=500,
        runtime=5,
        pbs_until="done.txt",
    params:
        body=config.get("body", "until [ -e done.txt ]; do sleep 0.1; done"),
    shell:
        'echo "$PBS_JOBID began" >> ran.txt; {params.body}; echo helped > {output}'
