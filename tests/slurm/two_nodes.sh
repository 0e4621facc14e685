# A SLURM cluster of two virtual nodes on this machine, for tests. Sourced; needs root, slurm-wlm, munge.
#   slurm_start FOLDER    starts munged, slurmctld and two slurmd; sets SLURM_CONF
#   slurm_stop            stops what slurm_start started, by pid file
#   slurm_test            ends the calling test as skipped where SLURM is not installed; else starts a cluster
#                         for it, stopped at its exit, and goes to a fresh folder, $work
#   slurm_job LAUNCHER LOG SCRIPT [ARGUMENTS]    submits a job script of jobs/ and waits for its end
# FOLDER must be short and readable by everybody: munge wants a socket path it can trust.

slurm_start() {
    slurm_folder=$1
    mkdir -p "$slurm_folder"/{state,spool-n1,spool-n2,tmp/n1,tmp/n2,munge}
    chmod 755 "$slurm_folder"
    chmod 1777 "$slurm_folder"/tmp "$slurm_folder"/tmp/n1 "$slurm_folder"/tmp/n2
    head -c 1024 /dev/urandom >"$slurm_folder/munge/key"
    chown -R munge:munge "$slurm_folder/munge"
    chmod 755 "$slurm_folder/munge"
    chmod 400 "$slurm_folder/munge/key"
    local socket=$slurm_folder/munge/socket name
    name=$(hostname -s)
    setpriv --reuid=munge --regid=munge --clear-groups munged --key-file="$slurm_folder/munge/key" \
        --socket="$socket" --pid-file="$slurm_folder/munge/munged.pid" \
        --log-file="$slurm_folder/munge/munged.log" --seed-file="$slurm_folder/munge/seed" --force
    export SLURM_CONF=$slurm_folder/slurm.conf
    cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=pmix
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
StateSaveLocation=$slurm_folder/state
SlurmdSpoolDir=$slurm_folder/spool-%n
SlurmctldPidFile=$slurm_folder/slurmctld.pid
SlurmdPidFile=$slurm_folder/slurmd-%n.pid
SlurmctldLogFile=$slurm_folder/slurmctld.log
SlurmdLogFile=$slurm_folder/slurmd-%n.log
TmpFS=$slurm_folder/tmp/%n
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
NodeName=n[1-2] NodeHostname=$name NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=2 State=UNKNOWN
PartitionName=test Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
CONF
    slurmctld -c && slurmd -N n1 && slurmd -N n2 || return 1
    local wait
    for wait in $(seq 40); do
        [ "$(sinfo -h -o %T 2>/dev/null | sort -u)" = idle ] && return 0
        sleep 0.5
    done
    sinfo >&2 || true
    return 1
}

slurm_stop() {
    local file
    for file in slurmd-n1.pid slurmd-n2.pid slurmctld.pid munge/munged.pid; do
        [ -s "$slurm_folder/$file" ] && kill "$(cat "$slurm_folder/$file")" 2>/dev/null
    done
    sleep 1
    rm -rf "$slurm_folder"
}

slurm_test() {
    local tool
    for tool in slurmctld slurmd sbatch munged setpriv; do
        command -v "$tool" >/dev/null || { echo "skipped: no $tool"; exit 77; }
    done
    [ "$(id -u)" -eq 0 ] || { echo "skipped: needs root to start the SLURM daemons"; exit 77; }
    work=$(mktemp -d)
    trap 'slurm_stop; rm -rf "$work"' EXIT
    slurm_start "$(mktemp -d /tmp/slurmXXXX)" || { echo "SLURM did not start"; exit 1; }
    # Both nodes share one host name; the shared-memory files of the two would collide.
    export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo
    cd "$work" || exit 1
}

slurm_job() {
    local launcher=$1 log=$2 script=$3
    shift 3
    STRATA_JOB_LAUNCHER=$launcher STRATA_JOB_PROGRAM=$STRATA STRATA_JOB_FOLDER=$STRATA_SOURCE/jobs \
        OMPI_MCA_io=ompio timeout 120 sbatch --wait --chdir="$work" --output="$work/$log" \
        "$STRATA_SOURCE/jobs/$script" "$@"
}
