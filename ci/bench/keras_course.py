"""The course's code: a hub layer, 256-64-1, Adam 1e-4, TensorBoard; one model after another. Run by course.py.

    keras_course.py MODULES EPOCHS      in a folder with train.csv and valid.csv
"""
import csv, os, sys

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
modules, epochs = sys.argv[1], int(sys.argv[2])


def read(name):
    with open(name, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([r["question_text"] for r in rows], object), np.array([float(r["target"]) for r in rows], "float32")


train, valid = read("train.csv"), read("valid.csv")
for dim in (20, 50, 128):
    tf.keras.utils.set_random_seed(1)
    layer = hub.KerasLayer(f"{modules}/quora-{dim}", output_shape=[dim], input_shape=[], dtype=tf.string, trainable=False)
    dense = tf.keras.layers.Dense
    model = tf.keras.Sequential([layer, dense(256, activation="relu"), dense(64, activation="relu"), dense(1, activation="sigmoid")])
    model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=1e-4), loss=tf.losses.BinaryCrossentropy(), metrics=[tf.metrics.BinaryAccuracy(name="accuracy")])
    callbacks = [tf.keras.callbacks.TensorBoard(log_dir=f"logs/quora-{dim}")]
    model.fit(*train, epochs=epochs, batch_size=32, validation_data=valid, callbacks=callbacks, verbose=0)
