#!/usr/bin/env python3
"""Cells an hour of the course's grid: three text modules x SEEDS seeds, 5 epochs each, on the processor and in packs on a card.

    cargo build --profile dist --features gpu
    python3 ci/bench/course_grid.py --csv labelled.csv --modules FOLDER [--device cuda] [--seeds 64] [--rounds 2]

From the start of the process to the end of its reports, kernels' compilation included; rows and files as course.py has them,
vectors cached by a run before. On the processor as many cells at a time as there are cores. The best round counts.
"""
import argparse, json, os, subprocess, sys, tempfile, time

from course import DIMS, HERE, PIPELINE, write_rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", required=True, help="the labelled questions")
    parser.add_argument("--modules", required=True, help="the folder of quora-20, quora-50, quora-128")
    parser.add_argument("--emberline", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "../../target")), "dist/emberline"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    emberline, modules = os.path.abspath(options.emberline), os.path.abspath(options.modules)
    ways = {f"cpu, --jobs {os.cpu_count()}": ["--device", "cpu", "--jobs", str(os.cpu_count())]}
    ways |= {f"{options.device}, --pack {pack}": ["--device", options.device, "--pack", str(pack)] for pack in (1, 8, 64)}
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        write_rows(options.csv, folder)
        tables = "".join(f'[embedding.quora-{d}.tfhub]\npath = "{modules}/quora-{d}"\n' for d in DIMS)
        with open(os.path.join(folder, "course.toml"), "w", encoding="utf-8") as file:
            file.write(PIPELINE.format(modules=tables, epochs=5) + f"[grid]\nseed = {list(range(1, options.seeds + 1))}\n")
        environment = dict(os.environ, EMBERLINE_CACHE_DIR=os.path.join(folder, "cache"))

        def run(*arguments):
            command = [emberline, "run", "course.toml", "--force", "--out", "run", *arguments]
            started = time.perf_counter()
            ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            if ended.returncode:
                sys.exit(ended.stderr)
            wall = time.perf_counter() - started
            with open(os.path.join(folder, "run/summary.json"), encoding="utf-8") as file:
                cells = json.load(file)["cells"]
            return wall, len(cells), sum(cell["seconds"] for cell in cells)

        run(*next(iter(ways.values())))  # Vectors are cached.
        for _ in range(options.rounds):
            for way, arguments in ways.items():
                best[way] = min(best.get(way, (float("inf"),)), run(*arguments))
    for way, (wall, cells, trained) in best.items():
        print(f"{way:<20} {cells} cells in {wall:.2f} s, {cells / wall * 3600:,.0f} an hour; training {trained / cells * 1e3:.1f} ms a cell")


if __name__ == "__main__":
    main()
