"""Whose fault it was that a job failed, by the exit status that PBS itself gave it."""

from typing import NamedTuple

ACTIVE, SUCCESS = "active", "success"
FAILED = "failed"  # by itself
LOST = "lost"  # its node failed: it may be submitted again
DELETED = "deleted"  # by a person, or by preemption
REFUSED = "refused"  # the scheduler or the site will never run it


class JobState(NamedTuple):
    """The state of a job: one of the words above, and for a job that failed the reason."""

    kind: str
    reason: str = ""


NODE_FAILED = JobState(LOST, "its node failed")
NOT_STARTED = JobState(LOST, "its node could not start it")
HOOK = JobState(REFUSED, "a hook of the site ended it")
CREDENTIALS = JobState(REFUSED, "the node refuses this user")
MEMORY = JobState(FAILED, "it exceeded its memory")
PROCESSOR = JobState(FAILED, "it exceeded its cores or processor time")
# The names of these statuses are JOB_EXEC_... in src/include/job.h.
COMMON_VERDICTS = {
    **dict.fromkeys((-1, -2, -3), NOT_STARTED),  # FAIL1, FAIL2, RETRY
    **dict.fromkeys((-4, -5, -6, -7), NODE_FAILED),  # INITABT, INITRST, INITRMG, BADRESRT
}
OPENPBS_VERDICTS = COMMON_VERDICTS | {
    **dict.fromkeys((-10, -13, -21, -23), CREDENTIALS),  # FAILUID, FAIL_PASSWORD, _SECURITY, _KRB5
    **dict.fromkeys((-11, -12, -14, -15, -20), NODE_FAILED),  # RERUN, CHKP, QUERST, RERUN_MS_FAIL
    **dict.fromkeys((-16, -17, -18, -19, -22), HOOK),  # FAILHOOK_..., HOOK_..., HOOKERROR
    **dict.fromkeys((-24, -25, -28), PROCESSOR),  # KILL_NCPUS_BURST, KILL_NCPUS_SUM, KILL_CPUT
    **dict.fromkeys((-26, -27), MEMORY),  # KILL_VMEM, KILL_MEM
    -30: NOT_STARTED,  # JOINJOB
}
TORQUE_VERDICTS = COMMON_VERDICTS | {
    **dict.fromkeys((-8, -9, -13), NOT_STARTED),  # CMDFAIL, STDOUTFAIL, RETRY_CGROUP
    -10: MEMORY,  # OVERLIMIT_MEM
    -12: PROCESSOR,  # OVERLIMIT_CPUT
}
