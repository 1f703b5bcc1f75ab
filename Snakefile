"""hpconv: search convolutional feature extractors, then retrain and report the best."""

from snakemake.utils import min_version

min_version("9.14.1")


configfile: "config/config.yaml"


include: "rules/common.smk"


warn_of_lock()

GROWS_ENSEMBLE = settings.ensemble.grow


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
    check_data()
    if not search_has_ended():
        check_slots()
        check_start_from()
        # of a run that was killed: no process may take it for the server of this run
        Path(CONNECTION).unlink(missing_ok=True)
        remove_earlier_runs()
    write_config()


onerror:
    report_errors()


onsuccess:
    report_results()
    report_lost_workers()
    report_failed_winners()
