
// Clicking a field of the confusion matrix lists its rows.
const MOST_ROWS = 30;
if (model && model.task !== "multi_label") {
  const pairs = document.querySelectorAll("td[data-pair]");
  const list = make("div", { class: "pair", "aria-live": "polite" });
  const largest = (row) => (model.task === "binary" ? model.probability(row, 0) : model.probability(row, model.decided(row)));
  const open = (button, pair) => {
    const [truth, predicted] = pair.split(" ").map(Number);
    const isTruth = (row) => (truth < model.classes.length ? model.labels[row][0] === truth : model.labels[row][0] === UNSEEN);
    const found = model.labels.map((_, row) => row).filter((row) => isTruth(row) && model.decided(row) === predicted);
    const entries = found.map((row) => ({ row, probability: largest(row), said: model.nameOf(predicted) }));
    entries.sort((a, b) => b.probability - a.probability);
    const name = truth < model.classes.length ? model.nameOf(truth) : model.nameOf(UNSEEN);
    list.replaceChildren(rowsTable(`${counted(found.length, "row")}: ${name}, predicted as ${model.nameOf(predicted)}.`, entries, MOST_ROWS));
    pairs.forEach((other) => other.querySelector("button")?.setAttribute("aria-expanded", String(other.querySelector("button") === button)));
  };
  for (const cell of pairs) {
    if (cell.textContent === "0") continue;
    const button = make("button", { type: "button", "aria-expanded": "false" }, ...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => open(button, cell.dataset.pair));
  }
  pairs[0]?.closest(".side-by-side").after(list);
}
