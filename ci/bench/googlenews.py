"""Writes a word2vec binary of the size of GoogleNews: 3,000,000 rows of 300 random numbers, 3.6 GB.

    python ci/bench/googlenews.py vectors.bin [texts.csv]
    /usr/bin/time -v emberline embed word_vectors vectors.bin --input texts.txt --output vectors.npy

Words are those of texts.csv (what stands between white space), spread evenly over the file, and made-up ones.
"""
import sys

ROWS, DIM, BLOCK = 3_000_000, 300, 1000


def words(path):
    """The texts' words, in a fixed order, then made-up ones; as many as rows, mixed."""
    known = set()
    if path:
        with open(path, encoding="utf-8") as file:
            for line in file:
                known.update(line.split())
    known = sorted(known)[:ROWS]
    every = ROWS // max(1, len(known))
    for row in range(ROWS):
        at, rest = divmod(row, every)
        yield known[at] if rest == 0 and at < len(known) else f"word_{row}"


def main():
    import numpy

    generator = numpy.random.default_rng(7)
    names = words(sys.argv[2] if len(sys.argv) > 2 else None)
    with open(sys.argv[1], "wb") as file:
        file.write(f"{ROWS} {DIM}\n".encode())
        for _ in range(ROWS // BLOCK):
            for row in generator.standard_normal((BLOCK, DIM), dtype="float32"):
                file.write(next(names).encode() + b" " + row.tobytes())


if __name__ == "__main__":
    main()
