"""hyperopt's states of trials and of results; to import them from there takes over a second."""

JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATE_DONE, JOB_STATE_ERROR = range(4)
STATUS_NEW, STATUS_OK, STATUS_FAIL = "new", "ok", "fail"
