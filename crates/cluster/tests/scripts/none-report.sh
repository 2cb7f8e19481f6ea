#!/bin/bash
#SBATCH --job-name=emberline-100_-report
#SBATCH --output="/scratch/me/my runs/100%%/submit/1/logs/report.log"
#SBATCH --open-mode=append
#SBATCH --chdir="/scratch/me/my runs/100%/submit/1"
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --export=NONE
#SBATCH --ntasks=1
#SBATCH --kill-on-invalid-dep=yes

export EMBERLINE_CACHE_DIR='/scratch/me/it'\''s a cache'
export EMBERLINE_CELL_CACHE='/scratch/our cells'
export RAYON_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"

# Slurm signals this shell alone, which passes the signal on and waits on.
signalled= child=
trap 'signalled=1; [ -z "$child" ] || kill -TERM "$child"' TERM
/scratch/me/emberline task '/scratch/me/my runs/100%/submit/1/manifest.json' report &
child=$!
[ -z "$signalled" ] || kill -TERM "$child"
wait "$child"
code=$?
while [ -n "$signalled" ]; do
  signalled=
  wait "$child"
  code=$?
done

# 75: the work is saved, and goes on when the task runs again.
if [ "$code" = 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; then
  task="${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}"
  task="${task:-$SLURM_JOB_ID}"
  for pause in 1 2 4 8 16 0; do
    # A task that was cancelled isn't RUNNING any more, and must not come back.
    if state="$(squeue --noheader --jobs="$task" --format=%T 2>/dev/null)"; then
      [ "$state" = RUNNING ] || break
      scontrol requeue "$task" && break
    fi
    sleep "$pause"
  done
fi
exit "$code"
