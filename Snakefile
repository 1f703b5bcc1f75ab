"""hpconv: search convolutional feature extractors, then retrain and report the best."""

from snakemake.utils import min_version

min_version("9.14")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/database.smk"
include: "rules/search.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        final_outputs(),


onstart:
    check_slots()
    # of a run that was killed: nobody may take it for this run's server
    Path(CONNECTION).unlink(missing_ok=True)
