"""Encodes texts by ONNX Runtime, with a graph of a BERT encoder that is written here from its safetensors: mean pooling, length 1.

    python ci/bench/onnxruntime_encoder.py MODEL TEXTS OUT.npy THREADS [SETTING]        (onnx, onnxruntime, tokenizers, safetensors, numpy)

A peer of `encoder.py`, which calls it. SETTING `sorted` (default): batches of 32, the longest texts first; `fastembed`: batches of 256 in
the order of the texts, as the library fastembed makes them. The last line printed is JSON: the seconds of encoding alone.
"""

import json
import sys
import time
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

INPUTS = ("input_ids", "attention_mask")


class Graph:
    """Nodes and weights; every method appends a node and returns the name of its output."""

    def __init__(self, weights):
        self.weights, self.nodes, self.arrays = weights, [], {}

    def constant(self, name, array):
        self.arrays[name] = numpy.asarray(array)
        return name

    def weight(self, name, transpose=False):
        array = self.weights[name].astype(numpy.float32)
        return self.constant(name, numpy.ascontiguousarray(array.T) if transpose else array)

    def node(self, kind, *inputs, **attributes):
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def linear(self, x, name):
        return self.node("Add", self.node("MatMul", x, self.weight(f"{name}.weight", True)), self.weight(f"{name}.bias"))

    def norm(self, x, name, epsilon):
        return self.node(
            "LayerNormalization", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=epsilon
        )

    def gelu(self, x):
        inner = self.node("Erf", self.node("Div", x, self.constant("sqrt2", numpy.float32(2**0.5))))
        sum_ = self.node("Add", inner, self.constant("one", numpy.float32(1)))
        return self.node("Mul", self.node("Mul", x, sum_), self.constant("half", numpy.float32(0.5)))


def bert(folder):
    """The model of a folder as the bytes of a graph: ids and mask [texts, tokens] -> vectors [texts, hidden]."""
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    prefix = "bert." if any(name.startswith("bert.") for name in weights) else ""
    graph = Graph({name.removeprefix(prefix): array for name, array in weights.items()})
    heads, hidden, epsilon = config["num_attention_heads"], config["hidden_size"], config["layer_norm_eps"]
    ids, mask = INPUTS
    words = graph.node("Gather", graph.weight("embeddings.word_embeddings.weight"), ids)
    length = graph.node("Slice", graph.node("Shape", ids), *(graph.constant(f"i{i}", numpy.array([i])) for i in (1, 2)))
    start = [graph.constant("zero", numpy.array([0])), length]
    positions = graph.node("Slice", graph.weight("embeddings.position_embeddings.weight"), *start)
    kind = graph.constant("type", graph.weights["embeddings.token_type_embeddings.weight"][0].astype(numpy.float32))
    x = graph.norm(graph.node("Add", graph.node("Add", words, kind), positions), "embeddings.LayerNorm", epsilon)
    floats = graph.node("Cast", mask, to=TensorProto.FLOAT)
    low = graph.node("Mul", graph.node("Sub", graph.constant("one", numpy.float32(1)), floats), graph.constant("low", numpy.float32(-1e4)))
    bias = graph.node("Unsqueeze", low, graph.constant("axes", numpy.array([1, 2])))
    split = graph.constant("split", numpy.array([0, 0, heads, hidden // heads]))
    joined = graph.constant("joined", numpy.array([0, 0, hidden]))
    scale = graph.constant("scale", numpy.float32((hidden // heads) ** 0.5))
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"

        def part(name, order):
            of_heads = graph.node("Reshape", graph.linear(x, f"{layer}.attention.self.{name}"), split)
            return graph.node("Transpose", of_heads, perm=order)

        query, key, value = part("query", [0, 2, 1, 3]), part("key", [0, 2, 3, 1]), part("value", [0, 2, 1, 3])
        scores = graph.node("Add", graph.node("Div", graph.node("MatMul", query, key), scale), bias)
        mixed = graph.node("Transpose", graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value), perm=[0, 2, 1, 3])
        out = graph.linear(graph.node("Reshape", mixed, joined), f"{layer}.attention.output.dense")
        x = graph.norm(graph.node("Add", out, x), f"{layer}.attention.output.LayerNorm", epsilon)
        inner = graph.gelu(graph.linear(x, f"{layer}.intermediate.dense"))
        x = graph.norm(graph.node("Add", graph.linear(inner, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm", epsilon)
    weights_of_tokens = graph.node("Unsqueeze", floats, graph.constant("last", numpy.array([2])))
    sums = graph.node("ReduceSum", graph.node("Mul", x, weights_of_tokens), graph.constant("axis", numpy.array([1])), keepdims=0)
    vectors = graph.node("LpNormalization", sums, axis=-1, p=2)
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in INPUTS]
    output = helper.make_tensor_value_info(vectors, TensorProto.FLOAT, ["texts", hidden])
    arrays = [numpy_helper.from_array(array, name) for name, array in graph.arrays.items()]
    whole = helper.make_graph(graph.nodes, "bert", inputs, [output], arrays)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def main():
    model, texts, out, threads, *setting = sys.argv[1:]
    folder = Path(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(bert(folder), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    limits = json.loads((folder / "sentence_bert_config.json").read_text())
    tokenizer.enable_truncation(limits["max_seq_length"])
    tokenizer.enable_padding()
    lines = Path(texts).read_text(encoding="utf-8").split("\n")[:-1]
    start = time.perf_counter()
    by_length, size = ([], 256) if setting == ["fastembed"] else (sorted(range(len(lines)), key=lambda i: -len(lines[i])), 32)
    order = by_length or list(range(len(lines)))
    vectors = None
    for first in range(0, len(order), size):
        batch = order[first : first + size]
        encoded = tokenizer.encode_batch([lines[i] for i in batch])
        ids, mask = ([getattr(text, name) for text in encoded] for name in ("ids", "attention_mask"))
        (part,) = session.run(None, dict(zip(INPUTS, (numpy.array(ids), numpy.array(mask)))))
        vectors = numpy.empty((len(lines), part.shape[1]), numpy.float32) if vectors is None else vectors
        vectors[batch] = part
    seconds = time.perf_counter() - start
    numpy.save(out, vectors)
    print(json.dumps({"encode": seconds}))


if __name__ == "__main__":
    main()
