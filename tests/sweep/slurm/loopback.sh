#!/bin/bash
# A whole Slurm on this machine alone, for tests: Debian's slurm-wlm and munge, as root, with every file in one folder.
#   loopback.sh start FOLDER    installs what is missing, starts; then: export SLURM_CONF=FOLDER/slurm.conf
#   loopback.sh stop FOLDER
set -eu
folder=$(realpath -m "$2")

started() {  # name: waits for the pid file of a daemon
    for _ in $(seq 100); do [ -s "$folder/$1.pid" ] && return; sleep 0.1; done
    echo "loopback.sh: $1 did not start; see $folder/$1.log" >&2
    exit 1
}

case $1 in
start)
    [ "$(id -u)" = 0 ] || { echo "loopback.sh: Slurm's daemons need root" >&2; exit 1; }
    if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q && apt-get install -y -q --no-install-recommends slurm-wlm munge
    fi
    mkdir -p "$folder/state" "$folder/spool"
    chmod 755 "$folder"
    dd if=/dev/urandom of="$folder/munge.key" bs=1 count=1024 status=none
    chmod 600 "$folder/munge.key"
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --seed-file="$folder/munge.seed" --log-file="$folder/munged.log"
    host=$(hostname -s)
    cat > "$folder/slurm.conf" <<END
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/munge.socket
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldParameters=preempt_send_user_signal
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=10
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    export SLURM_CONF=$folder/slurm.conf
    slurmctld
    started slurmctld
    slurmd
    started slurmd
    for _ in $(seq 100); do sinfo --noheader --format=%T | grep -q idle && exit 0; sleep 0.2; done
    echo "loopback.sh: no idle node; see $folder/*.log" >&2
    exit 1
    ;;
stop)
    for name in slurmd slurmctld munged; do
        [ -s "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" || true
    done
    ;;
esac
