#!/bin/bash
@DIRECTIVE@
# A job of a workflow. It leaves a record of how it ended, which no scheduler keeps for sure.
place=@PLACE@
host=$(hostname)
began=$(date +%s)
record() { # without other programs: Torque sends SIGKILL right after SIGTERM
    printf '%s %s %s %(%s)T\n' "$1" "$host" "$began" -1 >"$place.record"
}
stop() { # qdel, or the end of the walltime: not every scheduler tells more than this shell
    trap '' TERM INT USR1 XCPU
    told=1
    record signal
    kill -TERM -- "-$work" 2>/dev/null
}
record running
# a run that has ended since must not do the same work beside its successor
[ -e @RUN@ ] || { rm -f "$place.record"; exit 1; }
# A job that is killed (by Torque's qdel, for example) leaves its temporary files behind. A later job
# on its node removes them; a folder is locked while its job runs.
find "${TMPDIR:=/tmp}" -maxdepth 1 -type d -user "$UID" -name 'hpconv-job.*' -mmin +1 \
    -exec flock --nonblock {} rm -rf {} \; 2>/dev/null
own_tmpdir=$(mktemp -d "$TMPDIR/hpconv-job.XXXXXX") && exec 9<"$own_tmpdir" && flock 9
readonly own_tmpdir # a prologue may set TMPDIR
export TMPDIR=$own_tmpdir
. @ENVIRONMENT@
export HPCONV_AGAIN="$place.again"
# what PBS, or only Torque, tells a job; Slurm's wrappers do not
export PBS_JOBID="${PBS_JOBID:-$SLURM_JOB_ID}" PBS_WALLTIME="${PBS_WALLTIME:-@SECONDS@}"
if [ -s "$PBS_GPUFILE" ] && [ -z "$CUDA_VISIBLE_DEVICES" ]; then # Torque: a line is HOST-gpuN
    CUDA_VISIBLE_DEVICES=$(sed 's/.*-gpu//' "$PBS_GPUFILE" | paste -sd, -)
    export CUDA_VISIBLE_DEVICES
fi
@PROLOGUE@
set -m # the work gets a process group of its own
(@WORK@) &
work=$!
trap stop TERM INT USR1 XCPU
wait "$work"
status=$?
while kill -0 "$work" 2>/dev/null; do # the wait was cut short by a signal
    wait "$work"
    status=$?
done
[ -e "$place.again" ] && status=0 # it has ended in order, to be submitted again
[ "$told" ] && [ "$status" -ne 0 ] && status=143 # whatever the work made of it
record "$status"
rm -rf "$own_tmpdir"
exit "$status"
