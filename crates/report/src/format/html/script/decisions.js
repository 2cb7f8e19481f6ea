
// The predictions of the chosen model: probabilities from logits as the program computes them, with 64-bit numbers.
const UNSEEN = 4294967295;
const model = values.model && (() => {
  const { task, classes, outputs, threshold, labels, texts, places } = values.model;
  const bytes = Uint8Array.from(atob(values.model.logits), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const rows = labels.length;
  const logit = (row, output) => view.getFloat32(4 * (row * outputs + output), true);
  const softmax = (row) => {
    const logits = Array.from({ length: outputs }, (_, output) => logit(row, output));
    const largest = Math.max(...logits);
    const terms = logits.map((z) => Math.exp(z - largest));
    const sum = terms.reduce((total, term) => total + term, 0);
    return terms.map((term) => term / sum);
  };
  const probability = (row, output) =>
    task === "multi_class" ? softmax(row)[output] : 1 / (1 + Math.exp(-logit(row, output)));
  const isPositive = (row, output) => labels[row].includes(task === "binary" ? 1 : output);
  // The decision that the report shows: of the first of equal probabilities, or at the chosen threshold.
  const decided = (row) => {
    if (task === "binary") return Number(probability(row, 0) >= threshold);
    let best = 0;
    for (let output = 1; output < outputs; output += 1) if (logit(row, output) > logit(row, best)) best = output;
    return best;
  };
  const nameOf = (label) => (label === UNSEEN ? "a label unseen in training" : classes[label]);
  const truth = (row) => labels[row].map(nameOf).join(", ") || "none";
  const nameOfOutput = (output) => (task === "binary" ? classes[1] : classes[output]);
  return { task, classes, outputs, threshold, labels, texts, places, rows, probability, isPositive, decided, truth, nameOf, nameOfOutput };
})();

// Lists rows with their texts. Each entry has a row, and what is said of it.
const rowsTable = (caption, entries, most) => {
  const heading = (text) => make("th", { scope: "col" }, text);
  const hasTexts = model.texts.some((text) => text !== null);
  const line = ({ row, said, probability }) =>
    make("tr", {}, make("td", {}, hasTexts ? model.texts[row] ?? model.places[row] : model.places[row]),
      make("td", {}, model.truth(row)), make("td", {}, said), make("td", { class: "n" }, shown(probability)));
  const head = make("tr", {}, ...[hasTexts ? "text" : "row", "true", "here"].map(heading), make("th", { scope: "col", class: "n" }, "probability"));
  const text = entries.length > most ? `${caption} The first ${most} of ${entries.length.toLocaleString("en")}.` : caption;
  const table = make("table", { class: "texts" }, make("caption", {}, make("span", {}, text)), make("thead", {}, head));
  table.append(make("tbody", {}, ...entries.slice(0, most).map(line)));
  return make("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" }, table);
};
