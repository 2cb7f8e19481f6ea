
// The threshold that can be moved: counts and scores, the place on the curves, and the texts whose decision changes.
const MOST_FLIPS = 12;
const panel = document.getElementById("threshold");
if (panel && model && model.rows > 1) {
  const state = { output: 0, threshold: model.threshold };
  let scores, positives, steps;

  // A step is a threshold between two neighbouring scores, where exactly the rows with one score change.
  const midpoint = (low, high) => (low + (high - low) / 2 > low ? low + (high - low) / 2 : high);
  const choose = (output) => {
    state.output = output;
    scores = Float64Array.from({ length: model.rows }, (_, row) => model.probability(row, output));
    positives = Array.from({ length: model.rows }, (_, row) => model.isPositive(row, output));
    const distinct = [...new Set(scores)].sort((a, b) => a - b);
    steps = distinct.map((score, index) => midpoint(index === 0 ? 0 : distinct[index - 1], score));
    steps.push(midpoint(distinct[distinct.length - 1], 1));
  };
  const measure = (threshold) => {
    const counts = { tp: 0, fp: 0, fn: 0, tn: 0 };
    for (let row = 0; row < model.rows; row += 1) {
      const predicted = scores[row] >= threshold;
      counts[positives[row] ? (predicted ? "tp" : "fn") : predicted ? "fp" : "tn"] += 1;
    }
    const { tp, fp, fn, tn } = counts;
    const ratio = (part, whole) => (whole > 0 ? part / whole : 0);
    return {
      ...counts, precision: ratio(tp, tp + fp), recall: ratio(tp, tp + fn), f1: ratio(2 * tp, 2 * tp + fp + fn),
      accuracy: ratio(tp + tn, model.rows), fpr: ratio(fp, fp + tn),
    };
  };

  const slider = make("input", { type: "range", min: 0, step: 1 });
  const exact = make("input", { type: "number", min: 0, max: 1, step: "any" });
  const reset = make("button", { type: "button" }, `back to ${shown(model.threshold)}`);
  const result = make("div", { class: "result", "aria-live": "polite" });
  const flips = make("div", { class: "flips" });
  const controls = make("div", { class: "controls" });
  if (model.outputs > 1) {
    const names = Array.from({ length: model.outputs }, (_, output) => model.nameOfOutput(output));
    const select = selectOf(names, 0);
    select.addEventListener("change", () => { choose(Number(select.value)); begin(); });
    controls.append(labelled("class", select));
  }
  controls.append(labelled("threshold", slider), labelled("exactly", exact), reset);

  const count = (name, value, words) => make("div", { "data-name": name, "data-value": value }, make("b", {}, value.toLocaleString("en")), make("span", {}, words));
  const score = (name, value, before) => {
    const change = value - before;
    const text = Math.abs(change) < 5e-5 ? "" : `${change > 0 ? "+" : ""}${shown(change)}`;
    return make("div", { "data-name": name, "data-value": String(value) }, make("b", {}, shown(value)), make("span", {}, name), make("small", {}, text));
  };
  const cursors = ["pr", "roc"].map((key) => {
    const svg = document.querySelector(`svg[data-chart="${key}"]`);
    const dot = makeSvg("circle", { class: "cursor", r: 6 });
    svg.append(dot);
    return { svg, dot, plot: plotOf(svg), key };
  });
  const calibration = document.querySelector('svg[data-chart="calibration"]');
  const mark = makeSvg("path", { class: "cursor" });
  calibration.append(mark);
  const calibrationPlot = plotOf(calibration);

  const draw = () => {
    const [now, before] = [measure(state.threshold), measure(model.threshold)];
    exact.value = Number(state.threshold.toPrecision(6));
    slider.setAttribute("aria-valuetext", `${shown(state.threshold)}: precision ${shown(now.precision)}, recall ${shown(now.recall)}`);
    result.replaceChildren(
      count("tp", now.tp, "found"), count("fn", now.fn, "missed"), count("fp", now.fp, "false alarms"), count("tn", now.tn, "rightly left"),
      score("precision", now.precision, before.precision), score("recall", now.recall, before.recall),
      score("F1", now.f1, before.f1), score("accuracy", now.accuracy, before.accuracy));
    const places = { pr: [now.recall, now.precision], roc: [now.fpr, now.recall] };
    for (const { dot, plot, key } of cursors) {
      dot.setAttribute("cx", plot.x(places[key][0]));
      dot.setAttribute("cy", plot.y(places[key][1]));
    }
    const x = calibrationPlot.x(Math.min(1, state.threshold));
    mark.setAttribute("d", model.task === "multi_class" ? "" : `M${x} ${calibrationPlot.top}V${calibrationPlot.bottom}`);
    const name = model.nameOfOutput(state.output);
    const flipped = [...scores.keys()].filter((row) => (scores[row] >= state.threshold) !== (scores[row] >= model.threshold));
    flipped.sort((a, b) => Math.abs(scores[a] - model.threshold) - Math.abs(scores[b] - model.threshold));
    const entries = flipped.map((row) => ({ row, probability: scores[row], said: scores[row] >= state.threshold ? `now ${name}` : `no longer ${name}` }));
    const caption = `${counted(flipped.length, "decision")} ${flipped.length === 1 ? "differs" : "differ"} from those at ${shown(model.threshold)}.`;
    flips.replaceChildren(...(flipped.length > 0 ? [rowsTable(caption, entries, MOST_FLIPS)] : []));
  };
  const place = () => {
    const at = steps.findIndex((step) => step >= state.threshold);
    slider.value = at < 0 ? steps.length - 1 : at;
  };
  const move = (threshold) => { state.threshold = threshold; place(); draw(); };
  const begin = () => { slider.max = steps.length - 1; move(model.threshold); };
  slider.addEventListener("input", () => { state.threshold = steps[slider.value]; draw(); });
  exact.addEventListener("change", () => {
    const wanted = Number(exact.value);
    move(exact.value !== "" && wanted >= 0 && wanted <= 1 ? wanted : model.threshold);
  });
  reset.addEventListener("click", () => move(model.threshold));
  // Pointing at a curve moves the threshold to the nearest place on it.
  for (const { svg, plot, key } of cursors) {
    svg.classList.add("movable");
    const follow = (event) => {
      const [x, y] = plot.at(event);
      if (event.buttons === 0 || x < plot.left - 8 || y > plot.bottom + 8) return;
      // Of many steps, some are enough to find the nearest.
      const stride = Math.max(1, Math.floor(steps.length / 400));
      const distance = (step) => {
        const of = measure(step);
        const at = key === "pr" ? [of.recall, of.precision] : [of.fpr, of.recall];
        return Math.hypot(plot.x(at[0]) - x, plot.y(at[1]) - y);
      };
      const tried = steps.filter((_, index) => index % stride === 0);
      move(tried.reduce((best, step) => (distance(step) < distance(best) ? step : best)));
    };
    svg.addEventListener("pointerdown", follow);
    svg.addEventListener("pointermove", follow);
  }
  const heading = panel.querySelector("h3");
  heading.after(controls, result, flips);
  choose(0);
  begin();
}
