"""Reads a log with TensorBoard's own reader and HParams backend.  read_back.py --check | read_back.py LOG_DIR

Prints one line per fact, its fields separated by tabs, sorted:
    scalar      run  tag  step  the float's bits
    pr_curves   run  tag  step  shape  sum of true positives at the first threshold, recall at the last
    histograms  run  tag  step  shape  sum of the counts
    text        run  tag  step  shape  the fields as the page shows them, as JSON
    experiment  hparam   name  type  domain  differs
    experiment  metric   group  tag  display name
    group       name  the settings
    metric      group's name  metric's group  tag  step  mean over the group's sessions
    session     group's name  run  status  started  ended
"""
import json, logging, struct, sys
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard import plugin_util
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
from tensorboard.data import provider
from tensorboard.util import tensor_util


def events(multiplexer):
    for run in multiplexer.Runs():
        accumulator = multiplexer.GetAccumulator(run)
        for tag in accumulator.Tags()["tensors"]:
            plugin = accumulator.SummaryMetadata(tag).plugin_data.plugin_name
            for event in accumulator.Tensors(tag):
                array = tensor_util.make_ndarray(event.tensor_proto)
                if plugin == "scalars":
                    yield "scalar", run, tag, event.step, struct.pack(">f", array.item()).hex()
                elif plugin == "pr_curves":
                    yield plugin, run, tag, event.step, list(array.shape), float(array[0][0]), float(array[5][-1])
                elif plugin == "histograms":
                    yield plugin, run, tag, event.step, list(array.shape), float(array[:, 2].sum())
                elif plugin == "text":
                    shown = [[plugin_util.markdown_to_safe_html(field) for field in row] for row in array]
                    yield plugin, run, tag, event.step, list(array.shape), json.dumps(shown)


def python_value(value):
    return getattr(value, value.WhichOneof("kind"))


def hparams(multiplexer):
    source = data_provider.MultiplexerDataProvider(multiplexer, "")
    backend = backend_context.Context(base_plugin.TBContext(data_provider=source))
    ctx = context.RequestContext()
    none = provider.ListHyperparametersResult(hyperparameters=[], session_groups=[])
    experiment = backend.experiment_from_metadata(ctx, "", True, backend.hparams_metadata(ctx, ""), none)
    for info in experiment.hparam_infos:
        interval = [info.domain_interval.min_value, info.domain_interval.max_value]
        domain = interval if info.HasField("domain_interval") else [python_value(v) for v in info.domain_discrete.values]
        yield "experiment", "hparam", info.name, api_pb2.DataType.Name(info.type), json.dumps(domain), info.differs
    for info in experiment.metric_infos:
        yield "experiment", "metric", info.name.group, info.name.tag, info.display_name

    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=1000, aggregation_type=api_pb2.AGGREGATION_AVG, allowed_statuses=api_pb2.Status.values()
    )
    for info in experiment.hparam_infos:  # sort by every column, as clicks on its head do
        request.col_params.add(hparam=info.name, order=api_pb2.ORDER_ASC)
    for group in list_session_groups.Handler(ctx, backend, "", request).run().session_groups:
        settings = {name: python_value(value) for name, value in sorted(group.hparams.items())}
        yield "group", group.name, json.dumps(settings)
        for metric in group.metric_values:
            yield "metric", group.name, metric.name.group, metric.name.tag, metric.training_step, metric.value
        for session in group.sessions:
            status = api_pb2.Status.Name(session.status)
            yield "session", group.name, session.name, status, session.start_time_secs, session.end_time_secs


if __name__ == "__main__" and sys.argv[1] != "--check":
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"scalars": 0, "pr_curves": 0, "histograms": 0, "text": 0})
    multiplexer.AddRunsFromDirectory(sys.argv[1])
    multiplexer.Reload()
    lines = ["\t".join(map(str, fact)) for read in (events, hparams) for fact in read(multiplexer)]
    print("\n".join(sorted(lines)))
