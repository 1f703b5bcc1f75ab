"""Repeat the final evaluation of a search that has ended: snakemake -s evaluate.smk ...

No rule of the search is known here, so nothing in the configuration can start one.
"""

from snakemake.utils import min_version

min_version("9.14.1")


configfile: "config/config.yaml"


include: "rules/common.smk"


for path in (HISTORY, ENDED):
    if not Path(path).exists():
        refuse(
            f"'{path}' does not exist: run the whole workflow first, without '-s evaluate.smk'"
        )

GROWS_ENSEMBLE = bool(recorded_search()["search"]["ensemble"])

if not Path(DATA).exists():

    include: "rules/data.smk"


include: "rules/evaluate.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        final_outputs(),


onstart:
    check_data()
    write_config()


onsuccess:
    report_results()
    report_failed_winners()
