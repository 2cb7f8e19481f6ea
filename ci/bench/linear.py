"""Compares the logistic regression of crates/linear with scikit-learn's, on the same rows and cores.

    pip install scikit-learn
    python ci/bench/linear.py [--threads 2] [--runs 3] [--fits 4]

The rows are those that `cargo bench -p emberline-linear` makes: 10,003 of 384 numbers, 77 classes, as all-MiniLM-L6-v2 gives for
banking77. Both programs run one after the other, in turns; the fastest run of each counts. `cpu` is the CPU time of the fit alone, of
all threads: on a machine that does other work, it is the fairer figure, with `--threads 1`. Rows:

- as scikit-learn is called by default: 32-bit rows, tolerance 1e-4, at most 100 iterations, C = 1 and 100;
- converged: tolerance 1e-6, 64-bit rows for scikit-learn, since its 32-bit gradients can't reach it.

`objective` is (sum of losses + penalty) / rows at the end: the lower one has converged further.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROWS, FEATURES, CLASSES = 10_003, 384, 77
SETTINGS = [("C = 1, default", 1.0, 1e-4, 100, "float32"), ("C = 1, converged", 1.0, 1e-6, 1000, "float64"),
            ("C = 100, default", 0.01, 1e-4, 100, "float32"), ("C = 100, converged", 0.01, 1e-6, 5000, "float64")]
ROOT = pathlib.Path(__file__).resolve().parents[2]


def bench_program():
    built = subprocess.run(["cargo", "bench", "--no-run", "-p", "emberline-linear", "--message-format", "json"], cwd=ROOT,
                           check=True, capture_output=True, text=True).stdout
    artifacts = (json.loads(line) for line in built.splitlines())
    return next(a["executable"] for a in artifacts
                if a.get("reason") == "compiler-artifact" and a["target"]["name"] == "fit" and a["executable"])


def ours(program, l2, tolerance, iterations, rows, threads):
    arguments = [str(a) for a in (ROWS, FEATURES, CLASSES, l2, tolerance, iterations, rows)]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    printed = subprocess.run([program, *arguments], check=True, capture_output=True, text=True, env=environment).stdout
    return json.loads(printed)


def theirs(l2, tolerance, iterations, rows, kind):
    import warnings

    import numpy as np
    from scipy.special import logsumexp
    from sklearn.linear_model import LogisticRegression

    warnings.filterwarnings("ignore")
    x = np.fromfile(rows, "<f4").reshape(ROWS, FEATURES).astype(kind)
    y = np.arange(ROWS) * 7919 % CLASSES
    started, cpu = time.perf_counter(), time.process_time()
    fit = LogisticRegression(C=1 / l2, tol=tolerance, max_iter=iterations).fit(x, y)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    logits = x.astype("float64") @ fit.coef_.T + fit.intercept_
    loss = (logsumexp(logits, axis=1) - logits[np.arange(ROWS), y]).sum()
    objective = (loss + l2 / 2 * (fit.coef_.astype("float64") ** 2).sum()) / ROWS
    return {"seconds": seconds, "cpu": cpu, "iterations": int(fit.n_iter_[0]), "objective": float(objective)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--fits", type=int, default=len(SETTINGS), help="the first so many fits of the list")
    parser.add_argument("--program", help="the bench program; built if not given")
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        if os.environ.get(name) != str(arguments.threads):
            # Libraries read these when they are loaded.
            os.environ[name] = str(arguments.threads)
    program = arguments.program or bench_program()
    with tempfile.TemporaryDirectory() as folder:
        rows = os.path.join(folder, "rows")
        print("| fit | program | seconds | cpu | iterations | objective |\n|---|---|---:|---:|---:|---:|")
        for name, l2, tolerance, iterations, kind in SETTINGS[: arguments.fits]:
            results = {"emberline": [], f"scikit-learn ({kind})": []}
            for _ in range(arguments.runs):
                for program_name, runs in results.items():
                    runs.append(ours(program, l2, tolerance, iterations, rows, arguments.threads)
                                if program_name == "emberline" else theirs(l2, tolerance, iterations, rows, kind))
            for program_name, runs in results.items():
                best, cpu = min(runs, key=lambda run: run["seconds"]), min(run["cpu"] for run in runs)
                print(f"| {name} | {program_name} | {best['seconds']:.2f} | {cpu:.2f} | {best['iterations']} | {best['objective']:.10f} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
