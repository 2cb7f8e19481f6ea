#!/usr/bin/env bash
# A real Slurm cluster on this machine alone: a controller and nodes that listen on the loopback interface, without systemd, control
# groups and a database. It needs root, and Debian's slurmctld, slurmd, slurm-client and munge.
#
#   SLURM_BASE=DIR ci/slurm-cluster.sh up            start it; then `. DIR/env.sh` points Slurm's commands at it
#   SLURM_BASE=DIR ci/slurm-cluster.sh down          end it, and remove DIR
#   SLURM_BASE=DIR ci/slurm-cluster.sh kill NAME     kill -9 the controller (slurmctld) or a node (n3) with all that runs on it
#   SLURM_BASE=DIR ci/slurm-cluster.sh start NAME    start it again
#
# Four nodes n1 to n4 are in the partitions `low` and `high`, which preempts tasks of `low` and has them put back into the queue. If
# BLIND names a folder, a node n5 in a partition `blind` sees an empty folder in its place, as if it weren't mounted there. Keys,
# sockets, logs and process ids are all in SLURM_BASE; a Slurm of the machine isn't touched. Times are short, so that a node that is
# lost is noticed within seconds; a site's are minutes.
set -euo pipefail

base="${SLURM_BASE:?the folder of the cluster}"
port="${SLURM_PORT:-17600}"
PATH="$PATH:/usr/sbin"
export SLURM_CONF="$base/etc/slurm.conf"

# Starts a daemon in a session of its own, and notes its id with the time that the kernel started it.
launch() {
  local name="$1"
  shift
  setsid "$@" >>"$base/log/$name.out" 2>&1 </dev/null &
  local id=$!
  sleep 0.05
  echo "$name $id $(awk '{ print $22 }' "/proc/$id/stat" 2>/dev/null || echo 0)" >>"$base/pids"
}

# Whether a process still is the one that was noted.
is_same() { [ "$(awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null)" = "$2" ]; }

start() {
  case "$1" in
    slurmctld) launch slurmctld slurmctld -D ;;
    n5)
      # A mount that this node alone has.
      launch n5 unshare --mount sh -c 'mount -t tmpfs tmpfs "$1" && exec slurmd -D -N n5' sh "$BLIND"
      ;;
    *) launch "$1" slurmd -D -N "$1" ;;
  esac
}

# Processes of a node's tasks: the step managers, which are the parents, first.
tasks_of() {
  local folder id
  for folder in /proc/[0-9]*; do
    id="${folder#/proc/}"
    # A process may end meanwhile.
    { grep -qxz "SLURMD_NODENAME=$1" "$folder/environ" && grep -qxz "SLURM_CONF=$SLURM_CONF" "$folder/environ" &&
      echo "$id"; } 2>/dev/null || true
  done
}

kill_one() {
  local id started tasks task parent parents=()
  read -r id started < <(awk -v name="$1" '$1 == name { line = $2 " " $3 } END { print line }' "$base/pids")
  if is_same "$id" "$started"; then kill -KILL "$id"; fi
  [ "$1" != slurmctld ] || return 0
  tasks="$(tasks_of "$1")"
  for task in $tasks; do
    parent="$(awk '{ print $4 }' "/proc/$task/stat" 2>/dev/null || true)"
    if [ -n "$parent" ] && [ "$(cat "/proc/$parent/comm" 2>/dev/null)" = slurmstepd ]; then parents+=("$parent"); fi
  done
  for task in "${parents[@]}" $tasks; do kill -KILL "$task" 2>/dev/null || true; done
}

down() {
  [ -f "$base/pids" ] || return 0
  timeout 5 scancel --user="$(id -un)" 2>/dev/null || true
  for _ in $(seq 30); do
    [ -n "$(timeout 2 squeue --noheader 2>/dev/null)" ] || break
    sleep 0.2
  done
  local name id started left
  while read -r name id started; do
    if is_same "$id" "$started"; then kill -TERM "$id"; fi
  done <"$base/pids"
  for _ in $(seq 50); do
    left=0
    while read -r name id started; do if is_same "$id" "$started"; then left=1; fi; done <"$base/pids"
    [ "$left" = 1 ] || break
    sleep 0.1
  done
  while read -r name id started; do
    if is_same "$id" "$started"; then kill -KILL "$id"; fi
  done <"$base/pids"
  for name in n1 n2 n3 n4 n5; do for id in $(tasks_of "$name"); do kill -KILL "$id" 2>/dev/null || true; done; done
  rm -rf "$base"
}

up() {
  mkdir -p "$base"/{etc,run,log,state,spool}
  chmod 755 "$base" "$base"/*
  : >"$base/pids"
  dd if=/dev/urandom of="$base/etc/munge.key" bs=1024 count=1 status=none
  chmod 400 "$base/etc/munge.key"
  echo "export SLURM_CONF=$SLURM_CONF" >"$base/env.sh"
  local host all=4 blind=
  host="$(hostname -s)"
  if [ -n "${BLIND:-}" ]; then
    all=5
    blind="PartitionName=blind Nodes=n5 MaxTime=INFINITE State=UP"
  fi
  cat >"$SLURM_CONF" <<CONF
ClusterName=emberline
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$base/run/munge.sock,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$base/state
SlurmdSpoolDir=$base/spool/%n
SlurmctldPidFile=$base/run/slurmctld.pid
SlurmdPidFile=$base/run/slurmd.%n.pid
SlurmctldLogFile=$base/log/slurmctld.log
SlurmdLogFile=$base/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$base/log/jobcomp.txt
MpiDefault=none
SwitchType=switch/none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdTimeout=8
InactiveLimit=0
KillWait=3
MinJobAge=120
ReturnToService=2
UnkillableStepTimeout=5
MessageTimeout=10
TCPTimeout=2
BatchStartTimeout=10
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=100000
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MaxArraySize=${MAX_ARRAY_SIZE:-1001}
MaxJobCount=20000
DefMemPerCPU=200
NodeName=n[1-$all] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + all))] CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=2000 State=UNKNOWN
PartitionName=low Nodes=n[1-4] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=5
PartitionName=high Nodes=n[1-4] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
$blind
CONF
  launch munged munged -F --force --key-file="$base/etc/munge.key" --socket="$base/run/munge.sock" \
    --pid-file="$base/run/munged.pid" --log-file="$base/log/munged.log" --seed-file="$base/run/munged.seed"
  for _ in $(seq 50); do
    [ ! -S "$base/run/munge.sock" ] || break
    sleep 0.1
  done
  start slurmctld
  for node in $(seq "$all"); do start "n$node"; done
  for _ in $(seq 200); do
    [ "$(sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | sort -u | wc -l)" != "$all" ] || return 0
    sleep 0.2
  done
  echo "the nodes aren't idle after 40 s" >&2
  sinfo >&2 || true
  tail -n 5 "$base"/log/*.log >&2
  return 1
}

case "${1:-}" in
  up | down) "$1" ;;
  kill) kill_one "$2" ;;
  start) start "$2" ;;
  *)
    sed -n '2,12p' "$0" >&2
    exit 2
    ;;
esac
