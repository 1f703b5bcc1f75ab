"""hpconv: search convolutional feature extractors, then retrain and report the best."""

from snakemake.utils import min_version

min_version("9.14.1")


configfile: "config/config.yaml"


include: "rules/common.smk"


if not (FINAL_ONLY and Path(DATA).exists()):

    include: "rules/data.smk"


if not FINAL_ONLY:

    include: "rules/database.smk"
    include: "rules/search.smk"


include: "rules/evaluate.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        final_outputs(),


onstart:
    if not FINAL_ONLY:
        check_slots()
        # of a run that was killed: nobody may take it for this run's server
        Path(CONNECTION).unlink(missing_ok=True)


onerror:
    report_missing_winners()
