#!/usr/bin/env python3
"""How long planning takes and how much memory, by the number of cells, and what a run costs beside training.

    cargo build --profile dist
    python3 ci/bench/plan.py plan [--emberline FILE]     grids of 100 to 100,000 cells, of two shapes
    python3 ci/bench/plan.py run [--emberline FILE]      tiny cells: processor and wall time a cell, less that of training

Plans: `mixed` is a grid over six axes in five sections, `seeds` one long axis. Processor time (user and system), which
other work on the machine doesn't count into; peak memory as the kernel tells it; and the exponent of growth over the last
tenfold. The data are pipelines/data/questions.csv.

Runs: heads of one layer on 8 numbers a text and 64 rows, 1 epoch, with TensorBoard logs, one cell at a time. What the
cells' records state as training is taken off.
"""
import argparse, json, math, os, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "../../pipelines/data/questions.csv")
HEAD = """name = "bench"
[data]
path = "{data}"
text = "question_text"
label = "target"
[data.split]
{split}
[embedding.a.hashing]
dim = 8
buckets = 64
[embedding.b.corpus]
dim = 8
[train]
epochs = 1
[callbacks.tensorboard]
[grid]
"""
# Up to 100,000 = 2 * 5 * 10 * 10 * 10 * 10 combinations.
MIXED = {
    100: 'embedding = ["a", "b"]\nseed = {5}\n"train.batch_size" = {10}',
    1_000: 'embedding = ["a", "b"]\nseed = {5}\n"train.batch_size" = {10}\n"embedding.dim" = {10}',
    10_000: 'embedding = ["a", "b"]\nseed = {5}\n"train.batch_size" = {10}\n"embedding.dim" = {10}\n"train.epochs" = {10}',
    100_000: 'embedding = ["a", "b"]\nseed = {5}\n"train.batch_size" = {10}\n"embedding.dim" = {10}\n"train.epochs" = {10}\n"data.split.train" = {10}',
}


def numbers(count):
    return str(list(range(1, count + 1)))


def grid(shape, cells):
    if shape == "seeds":
        return f'embedding = ["a"]\nseed = {numbers(cells)}\n'
    text = MIXED[cells]
    for count in (5, 10):
        text = text.replace("{%d}" % count, numbers(count))
    return text + "\n"


def measured(command, folder):
    """Processor seconds, wall seconds and peak MB of a command, which must succeed."""
    environment = dict(os.environ, RAYON_NUM_THREADS="1")
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(message.decode(errors="replace"))
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss / 1024


def plans(emberline, most):
    for shape in ("mixed", "seeds"):
        before = None
        for cells in [n for n in MIXED if n <= most]:
            with tempfile.TemporaryDirectory() as folder:
                with open(os.path.join(folder, "p.toml"), "w", encoding="utf-8") as file:
                    file.write(HEAD.format(data=os.path.abspath(DATA), split="valid = 0.2") + grid(shape, cells))
                seconds, wall, memory = measured([emberline, "plan", "p.toml"], folder)
            growth = f"   exponent {math.log10(seconds / before):.2f}" if before else ""
            before = seconds
            print(f"{shape:6} {cells:7,} cells  {seconds:7.3f} s of processor  {wall:7.3f} s  {memory:5.0f} MB{growth}", flush=True)


def runs(emberline):
    for cells in (10, 100, 1_000):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "p.toml"), "w", encoding="utf-8") as file:
                split = "train = 64\nvalid = 64"
                file.write(HEAD.format(data=os.path.abspath(DATA), split=split) + grid("seeds", cells))
            options = ["--device", "cpu"] + (["--jobs", "1"] if jobs_are_known(emberline) else [])
            seconds, wall, _ = measured([emberline, "run", "p.toml", "--out", "run", *options], folder)
            idle, idle_wall, _ = measured([emberline, "run", "p.toml", "--out", "run", *options], folder)
            with open(os.path.join(folder, "run/summary.json"), encoding="utf-8") as file:
                training = sum(cell["seconds"] for cell in json.load(file)["cells"])
        print(
            f"{cells:5,} cells: {1e3 * (seconds - training) / cells:6.2f} ms of processor and {1e3 * (wall - training) / cells:6.2f} ms"
            f" of time a cell beside {1e3 * training / cells:.2f} ms of training; nothing to do: {idle:.3f} s, {idle_wall:.3f} s",
            flush=True,
        )


def jobs_are_known(emberline):
    return b"--jobs" in subprocess.run([emberline, "run", "--help"], stdout=subprocess.PIPE, check=True).stdout


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=("plan", "run"))
    arguments.add_argument("--emberline", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "../../target")), "dist/emberline"))
    arguments.add_argument("--most", type=int, default=100_000, help="the largest plan")
    a = arguments.parse_args()
    emberline = os.path.abspath(a.emberline)
    plans(emberline, a.most) if a.what == "plan" else runs(emberline)


if __name__ == "__main__":
    main()
