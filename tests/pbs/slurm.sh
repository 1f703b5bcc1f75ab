#!/bin/bash
# A small Slurm with its Torque wrappers (qsub, qstat, qdel) on this machine, for the tests of the PBS
# backend: three nodes n1..n3 of 4 CPUs, all on loopback. Debian 12, root, no systemd.
#
#   tests/pbs/slurm.sh start FOLDER    installs, starts, and returns once a user's job has run
#   tests/pbs/slurm.sh stop FOLDER     stops all of it, jobs included
#
# Jobs are submitted by the ordinary user hpconv-ci: runuser -u hpconv-ci -- qsub ...
set -euo pipefail

usage() { echo "usage: $0 start|stop FOLDER (as root)" >&2; exit 2; }
if [ $# -ne 2 ] || [ -z "$2" ] || [ "$(id -u)" -ne 0 ]; then usage; fi
action=$1
folder=$(realpath -m "$2")
user=hpconv-ci
# The commands of users find the cluster in this file without SLURM_CONF, so it cannot live in FOLDER, and
# a machine has one cluster of ours at a time.
conf=/etc/slurm/slurm.conf
# Slurm puts this into the environment of every job, and we put it into that of every daemon: it tells our
# processes from all others, whatever a crash did to pid files.
mark=SLURM_CLUSTER_NAME=hpconv-ci

# The ids of our processes. slurmstepd writes its title over its environment: it is known by its log.
ours() {
    local old p
    { grep -lzxF "$mark" /proc/[0-9]*/environ 2>/dev/null || true; } | cut -d/ -f3
    old=$(sed -n 's,^StateSaveLocation=\(.*\)/ctld$,\1,p' $conf 2>/dev/null || true)
    for p in $(pgrep -x slurmstepd || true); do
        if [ -n "$(find "/proc/$p/fd" -lname "${old:-$folder}/*.log" 2>/dev/null)" ]; then echo "$p"; fi
    done
}

stop() {
    local signal pids i
    if ! grep -qs '^ClusterName=hpconv-ci$' $conf; then
        if [ -e $conf ]; then echo "$0: $conf is another cluster's" >&2; return 1; fi
    elif pgrep -r R,S,D -x slurmctld > /dev/null; then
        # Slurm knows the processes of its jobs best. (A daemon that hangs gets 10 s.)
        timeout 10 bash -c "scancel -u $user; while [ -n \"\$(squeue -h)\" ]; do sleep 0.2; done" > /dev/null 2>&1 || true
    fi
    # TERM lets the daemons save and close. KILL again, as a job may have forked meanwhile.
    for signal in TERM KILL KILL KILL; do
        pids=$(ours)
        # shellcheck disable=SC2086
        [ -z "$pids" ] || kill -"$signal" $pids 2>/dev/null || true
        for ((i = 0; i < 20; i++)); do
            [ -n "$(ours)" ] || break 2
            sleep 0.2
        done
    done
    pids=$(ours)
    if [ -n "$pids" ]; then echo "$0: still running: ${pids//$'\n'/ }" >&2; return 1; fi
    rm -f $conf /etc/slurm/gres.conf
}

install_packages() {
    if [ -x /usr/sbin/slurmctld ] && [ -x /usr/sbin/slurmd ] && [ -x /usr/sbin/munged ] &&
        grep -qs Slurm /usr/bin/qsub; then return; fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    # RUNLEVEL=1: their init scripts start nothing.
    RUNLEVEL=1 apt-get -qq install --no-install-recommends slurm-wlm slurm-wlm-torque munge > "$folder/apt.log" 2>&1 ||
        { cat "$folder/apt.log" >&2; return 1; }
}

write_conf() {
    local host n
    host=$(hostname)
    {
        cat <<END
ClusterName=hpconv-ci
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
# Every port is bound to 127.0.0.1 only.
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/ctld
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
# No cgroups, no accounting, memory is not enforced. linuxproc finds a job's processes by parentage; what has
# lost its parent when the job ends, the epilog kills, as cgroups would.
ProctrackType=proctrack/linuxproc
Epilog=$folder/epilog.sh
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
# Short, for tests: how long a finished job stays visible; seconds from TERM to KILL.
MinJobAge=60
KillWait=5
ReturnToService=2
# A request that can never be met is refused, not queued for ever.
EnforcePartLimits=ALL
# More CPUs, memory and GPUs than the machine has are taken at our word.
SlurmdParameters=config_overrides
GresTypes=gpu
END
        for n in 1 2 3; do
            echo "NodeName=n$n NodeHostname=$host NodeAddr=127.0.0.1 Port=$((26820 + n)) CPUs=4 RealMemory=64000 Gres=gpu:2"
        done
        echo "PartitionName=workq Nodes=n[1-3] Default=YES DefaultTime=60 MaxTime=INFINITE State=UP"
    } > $conf
    cat > "$folder/epilog.sh" <<'END'
#!/bin/sh
# (ENVIRONMENT=BATCH: this script has SLURM_JOB_ID too.)
grep -lzxF ENVIRONMENT=BATCH /proc/[0-9]*/environ | xargs -r grep -lzxF "SLURM_JOB_ID=$SLURM_JOB_ID" |
    cut -d/ -f3 | xargs -r kill -KILL
exit 0
END
    chmod 755 "$folder/epilog.sh"
    # Two "GPUs" a node: any existing files do. (Jobs get SLURM_GPUS_ON_NODE, but no CUDA_VISIBLE_DEVICES.)
    touch "$folder"/gpu{0,1}
    echo "Name=gpu File=$folder/gpu[0-1]" > /etc/slurm/gres.conf
}

# Start a daemon that goes to the background by itself, marked as ours.
daemon() { env "$mark" "$@" < /dev/null > "$folder/daemon.out" 2>&1 || { cat "$folder/daemon.out" >&2; return 1; }; }

start() {
    local id i n
    stop    # what an earlier start, or a crash, left
    mkdir -p "$folder"
    install_packages
    id $user > /dev/null 2>&1 || useradd --create-home --shell /bin/bash $user
    # Users' commands reach the socket of munge, and jobs their scripts, in FOLDER.
    chmod a+rx "$folder"
    runuser -u $user -- test -x "$folder" || { echo "$0: $user cannot enter $folder" >&2; return 1; }
    rm -rf "$folder"/{munge,ctld,n1,n2,n3,hello.*}
    mkdir "$folder"/{munge,ctld,n1,n2,n3}
    chown munge: "$folder/munge"
    write_conf

    runuser -u munge -- mungekey --create --keyfile "$folder/munge/key"
    daemon runuser -u munge -- munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
    daemon slurmctld -f $conf -c
    for n in n1 n2 n3; do daemon slurmd -N $n -f $conf; done

    printf '#!/bin/sh\necho hello\n' > "$folder/hello.sh"
    install -m 644 -o $user /dev/null "$folder/hello.out"
    # The controller may not answer yet, so submission is tried again.
    for ((i = 0; i < 60; i++)); do
        id=$(cd / && runuser -u $user -- qsub -l nodes=3:ppn=1,walltime=00:01:00 -N hello -j oe -o "$folder/hello.out" \
            "$folder/hello.sh" 2>&1) && break
        sleep 1
    done
    for ((i = 0; i < 300; i++)); do
        if grep -qs hello "$folder/hello.out"; then return; fi
        sleep 0.2
    done
    echo "$0: no job has run: $id" >&2
    sinfo >&2 || true
    tail -n 20 "$folder"/*.log >&2
    stop
    return 1
}

case $action in
start) start ;;
stop) stop ;;
*) usage ;;
esac
