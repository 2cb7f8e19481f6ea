#!/usr/bin/env python3
"""The course's three frozen cells, 5 epochs each, end to end in one process: Emberline beside Keras and PyTorch.

All read the same two CSV files (13,061 training and 1,293 validation rows), embed with the same three
modules through the same texts, train 256-64-1 with Adam 1e-4 in batches of 32 and write TensorBoard logs;
Emberline writes its records and reports too. One core each, in turn; medians of the wall times and their ratio.

    cargo build --profile dist
    python3 ci/bench/course.py [--keras PYTHON] [--torch PYTHON] --csv labelled.csv --modules FOLDER [--repeats 3]

PYTHON: one that imports tensorflow, tensorflow_hub and tf_keras; torch and tensorboard. FOLDER holds quora-20, quora-50, quora-128.
"""
import argparse, csv, os, random, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
DIMS = (20, 50, 128)
PIPELINE = """name = "course"
seed = 1
[data]
text = "question_text"
label = "target"
[data.train]
path = "train.csv"
[data.valid]
path = "valid.csv"
{modules}
[head]
layers = [{{ dense = 256, activation = "relu" }}, {{ dense = 64, activation = "relu" }}]
[train]
epochs = {epochs}
optimizer = {{ adam = {{ learning_rate = 1e-4 }} }}
[callbacks.tensorboard]
"""


def write_rows(source, folder):
    """A stratified 13,061 / 1,293 division, as two CSV files; texts that occur twice stay out."""
    with open(source, encoding="utf-8", newline="") as file:
        rows = {" ".join(r["question_text"].lower().split()): (r["question_text"], r["target"]) for r in csv.DictReader(file)}
    rng, train, valid = random.Random(1), [], []
    for label in ("0", "1"):
        of_class = [r for r in rows.values() if r[1] == label]
        rng.shuffle(of_class)
        first, second = (round(n * len(of_class) / len(rows)) for n in (13_061, 1_293))
        train += of_class[:first]
        valid += of_class[first : first + second]
    rng.shuffle(train)
    for name, part in (("train", train), ("valid", valid)):
        with open(os.path.join(folder, name + ".csv"), "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("question_text", "target"), *part])


def timed(core, command, folder):
    """Wall seconds and peak megabytes of a command on one core."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TF_USE_LEGACY_KERAS="1")
    started = time.perf_counter()
    process = subprocess.Popen(["taskset", "-c", core, *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(message.decode(errors="replace"))
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keras", help="a Python that imports tensorflow, tensorflow_hub and tf_keras")
    arguments.add_argument("--torch", help="a Python that imports torch and tensorboard")
    arguments.add_argument("--csv", required=True, help="the labelled questions")
    arguments.add_argument("--modules", required=True, help="the folder of quora-20, quora-50, quora-128")
    arguments.add_argument("--emberline", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "../../target")), "dist/emberline"))
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--epochs", type=int, default=5)
    arguments.add_argument("--core", default="1")
    a = arguments.parse_args()
    modules = os.path.abspath(a.modules)
    with tempfile.TemporaryDirectory() as folder:
        write_rows(a.csv, folder)
        tables = "".join(f'[embedding.quora-{d}.tfhub]\npath = "{modules}/quora-{d}"\n' for d in DIMS)
        with open(os.path.join(folder, "course.toml"), "w", encoding="utf-8") as file:
            file.write(PIPELINE.format(modules=tables, epochs=a.epochs))
        emberline = [os.path.abspath(a.emberline), "run", "course.toml", "--force", "--device", "cpu"]
        peer = lambda python, script: [os.path.abspath(python), os.path.join(HERE, script), modules, str(a.epochs)]
        commands = {"emberline": emberline}
        commands |= {name: peer(python, name + "_course.py") for name, python in (("keras", a.keras), ("torch", a.torch)) if python}
        took = {name: [] for name in commands}
        for repeat in range(a.repeats):
            for name, command in commands.items():
                took[name].append(timed(a.core, command, folder))
            print(f"{repeat + 1}: " + "; ".join(f"{name} {times[-1][0]:.2f} s, {times[-1][1]:.0f} MB" for name, times in took.items()), flush=True)
    for name, times in took.items():
        ratios = [peer[0] / own[0] for own, peer in zip(took["emberline"], times)]
        print(f"{name}: median {statistics.median(t[0] for t in times):.2f} s, {max(t[1] for t in times):.0f} MB, {statistics.median(ratios):.1f} times as long")


if __name__ == "__main__":
    main()
