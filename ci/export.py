#!/usr/bin/env python3
"""Compares exported files with what the cell itself gives, in the programs that the files are for.

    export.py onnx      FILE.onnx  EXPECTED.json   # "vectors" or "ids", "logits", "probabilities", "outputs", "classes"
    export.py model2vec FOLDER     EXPECTED.json   # "texts", "vectors"
    export.py word2vec  FILE.txt   EXPECTED.json   # a vector per word

Needs onnx, onnxruntime, model2vec and gensim of PyPI; tests/tests/export.rs calls it with the Python that
EMBERLINE_EXPORT_PYTHON names. Ends with 1 and a message where something differs.
"""

import json
import sys

import numpy as np


def compare(name, found, expected, tolerance):
    expected = np.asarray(expected, dtype=np.float32).reshape(found.shape)
    difference = float(np.max(np.abs(found - expected), initial=0.0))
    if not difference <= tolerance:
        sys.exit(f"{name} differ by {difference}, more than {tolerance}")
    print(f"{name}: {found.shape} numbers within {difference:.2g}")


def check_onnx(path, expected):
    import onnx
    import onnxruntime

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if json.loads(metadata["classes"]) != expected["classes"]:
        sys.exit(f"the classes are {metadata['classes']}")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = len(expected["logits"]) // expected["outputs"]
    kind = np.int64 if name == "ids" else np.float32
    inputs = np.asarray(expected[name], dtype=kind).reshape(rows, -1)
    logits, probabilities = session.run(["logits", "probabilities"], {name: inputs})
    if logits.shape != (rows, expected["outputs"]):
        sys.exit(f"the logits have the shape {logits.shape}")
    compare("logits", logits, expected["logits"], 1e-5)
    compare("probabilities", probabilities, expected["probabilities"], 1e-5)
    single = session.run(["logits"], {name: inputs[-1:]})[0]
    compare("logits of one text", single, expected["logits"][-expected["outputs"]:], 1e-5)


def check_model2vec(path, expected):
    from model2vec import StaticModel

    vectors = StaticModel.from_pretrained(path).encode(expected["texts"])
    compare("vectors", np.asarray(vectors, dtype=np.float32), expected["vectors"], 1e-6)


def check_word2vec(path, expected):
    from gensim.models import KeyedVectors

    vectors = KeyedVectors.load_word2vec_format(path)
    if sorted(vectors.index_to_key) != sorted(expected):
        sys.exit("the words differ")
    for word, row in expected.items():
        compare(word, vectors[word], row, 1e-6)


if __name__ == "__main__":
    checks = {"onnx": check_onnx, "model2vec": check_model2vec, "word2vec": check_word2vec}
    with open(sys.argv[3], encoding="utf-8") as file:
        checks[sys.argv[1]](sys.argv[2], json.load(file))
