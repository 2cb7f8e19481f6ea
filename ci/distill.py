#!/usr/bin/env python3
"""Compares `emberline distill` with the package model2vec, on a real sentence encoder.

    pip install 'model2vec[distill,quantization]==0.10.0'
    distill.py MODEL [EMBERLINE]    # MODEL: the folder of all-MiniLM-L6-v2, for example; EMBERLINE: the program

Both distil the model, without weights and with `sif`. Components whose variances are nearly equal turn into one another by
the rounding of 32-bit numbers, divided by the gap between the variances: the tables are compared number by number with that
allowance, and within 5e-5 once the one is turned onto the other. model2vec then reads the folders that emberline wrote, of
every stored type, and its vectors of some texts are compared with those of `emberline embed`.
Ends with 1 and a message where something differs. Takes minutes: both programs encode every token.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from model2vec import StaticModel
from model2vec.distill import distillation

TEXTS = ["How do I cook rice?", "unbelievable", "", "Why is the sky blue, of all colours?", "xyzzy 42", "café naïve"]
SETTINGS = {"none": None, "sif": 1e-4}


def compare(name, found, expected, tolerance):
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        sys.exit(f"{name}: the shapes are {found.shape} and {expected.shape}")
    difference = float(np.max(np.abs(found - expected), initial=0.0))
    if not difference <= tolerance:
        sys.exit(f"{name} differ by {difference}, more than {tolerance}")
    print(f"{name}: {found.shape} numbers within {difference:.2g}", flush=True)


def compare_tables(name, ours, of_python, variances):
    """Compares two tables whose columns are principal components with these variances, in falling order."""
    # The sign of a principal component is that of its largest number, which two numbers may be equally close to.
    signs = np.sign(np.sum(ours * of_python, axis=0))
    differences = np.max(np.abs(ours * signs - of_python), axis=0)
    steps = np.concatenate([[np.inf], variances[:-1] - variances[1:], [np.inf]])
    gaps = np.minimum(steps[:-1], steps[1:]) / variances
    allowed = 2e-5 + 2e-6 / gaps
    worst = int(np.argmax(differences))
    print(f"{name}: within {differences[worst]:.2g}, median of the columns {np.median(differences):.2g}; column {worst} is worst,")
    print(f"  whose variance has a neighbour within {gaps[worst]:.2g} of it; {np.sum(differences > 1e-4)} columns above 1e-4")
    if not np.all(differences <= allowed):
        sys.exit(f"{name} differ: columns {np.flatnonzero(~(differences <= allowed))}")
    left, _, right = np.linalg.svd(of_python.T @ ours)
    compare(f"{name}, turned onto each other", ours, of_python @ (left @ right), 5e-5)


def encode_once():
    """model2vec encodes the tokens anew for every setting; their vectors are the same."""
    encode, known = distillation.create_embeddings, {}

    def create_embeddings(**arguments):
        if not known:
            known["vectors"] = encode(**arguments)
        return known["vectors"].copy()

    distillation.create_embeddings = create_embeddings


def emberline(program, *arguments, texts=None):
    ended = subprocess.run([program, *arguments], input=texts, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{program} {' '.join(arguments)}: {ended.stderr}")
    return ended.stdout


def main():
    model, program = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "emberline"
    encode_once()
    with tempfile.TemporaryDirectory() as folder:
        for name, coefficient in SETTINGS.items():
            of_python = distillation.distill(model, sif_coefficient=coefficient, quantize_to="float32", device="cpu")
            path = str(Path(folder) / name)
            emberline(program, "distill", "sentence_transformer", model, "--weights", name, "--output", path)
            ours = StaticModel.from_pretrained(path)
            if list(ours.tokens) != list(of_python.tokens):
                sys.exit(f"--weights {name}: the tokens differ")
            table, reference = ours.embedding.astype(np.float64), of_python.embedding.astype(np.float64)
            if coefficient is None:
                variances = np.var(reference, axis=0)
            compare_tables(f"--weights {name}", table, reference, variances)
        for stored in ["f32", "f16", "i8"]:
            path = str(Path(folder) / stored)
            words = Path(folder) / "words.txt"
            words.write_text("how\ndo\ni\ncook\nrice\nwhy\nis\nthe\nsky\nblue\n", encoding="utf-8")
            of_words = ["--words", str(words), "--dim", "8", "--quantize", stored, "--output", path]
            emberline(program, "distill", "sentence_transformer", model, *of_words)
            vectors = StaticModel.from_pretrained(path).encode([text for text in TEXTS if text])
            lines = emberline(program, "embed", "model2vec", path, texts="\n".join(text for text in TEXTS if text) + "\n")
            expected = [json.loads(line)["vector"] for line in lines.splitlines()]
            # model2vec rounds its vectors to the type of the table.
            compare(f"vectors of {stored}", vectors, expected, 1e-3 if stored == "f16" else 1e-6)


if __name__ == "__main__":
    main()
