# A workflow of seconds: each job says who it is, and waits for a while.
NUMBERS = [f"{config.get('prefix', '')}{n}" for n in range(int(config.get("jobs", 1)))]


rule all:
    input:
        expand("out/{number}.txt", number=NUMBERS),


rule work:
    output:
        "out/{number}.txt",
    resources:
        mem_mb=500,
        runtime=5,
    params:
        body=config.get("body", "true"),
    shell:
        'echo "$PBS_JOBID began" >> ran.txt; {params.body}; echo "$PBS_JOBID" > {output};'
        ' echo "$PBS_JOBID ended" >> ran.txt'
