#!/bin/bash
#SBATCH --job-name=emberline-p-embed-minilm
#SBATCH --array=0-1%50
#SBATCH --output=/scratch/me/runs/p/submit/1/logs/embed-minilm-%a.log
#SBATCH --open-mode=append
#SBATCH --chdir=/scratch/me/runs/p/submit/1
#SBATCH --requeue
#SBATCH --signal=TERM@60
#SBATCH --export=NONE
#SBATCH --ntasks=1
#SBATCH --account=nlp
#SBATCH --partition=gpu
#SBATCH --gres=gpu:1
#SBATCH --constraint=a100
#SBATCH --time=00:30:00

export EMBERLINE_CACHE_DIR=/scratch/me/emberline-cache
export RAYON_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
module load cuda/12.4

# Slurm signals the step; this shell waits for it, even if it is signalled too.
trap : TERM
# 254: Slurm itself failed, such as a controller that doesn't answer; the program hasn't begun.
export SLURM_EXIT_ERROR=254
for pause in 1 2 4 8 16 32 0; do
  srun --export=ALL --ntasks=1 apptainer exec --nv '/scratch/me/my image.sif' emberline task /scratch/me/runs/p/submit/1/manifest.json embed-minilm
  code=$?
  [ "$code" = 254 ] || break
  sleep "$pause"
done

# 75: the work is saved, and goes on when the task runs again.
if [ "$code" = 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ]; then
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
