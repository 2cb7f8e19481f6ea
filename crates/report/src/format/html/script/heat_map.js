
// The heat map of any two axes and any metric.
const map = document.querySelector(".heat-map");
if (map && values.grid) {
  const { axes, metrics, settings } = values.grid;
  const LEVELS = 9;
  const table = map.querySelector("table");
  const names = axes.map((axis) => axis.name);
  const [first, second] = map.dataset.axes.split(" ");
  const [rows, columns] = [selectOf(names, first), selectOf(names, second)];
  const metric = selectOf(metrics.map((of) => of.name), 0);
  const combine = selectOf(["mean", "best"], 0);

  const fieldOf = (row, column) => {
    const taken = settings.filter(([at]) => at[rows.value] === row && at[columns.value] === column);
    const found = taken.map(([, scores]) => scores[metric.value]).filter((score) => score !== null);
    if (found.length === 0) return null;
    if (combine.value === "0") return found.reduce((sum, score) => sum + score, 0) / found.length;
    return metrics[metric.value].smaller_is_better ? Math.min(...found) : Math.max(...found);
  };
  const draw = () => {
    const [down, across] = [axes[rows.value], axes[columns.value]];
    const fields = down.values.map((_, row) => across.values.map((_, column) => fieldOf(row, column)));
    const known = fields.flat().filter((field) => field !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const level = (field) => {
      const share = high > low ? (field - low) / (high - low) : 0.5;
      const good = metrics[metric.value].smaller_is_better ? 1 - share : share;
      return Math.min(LEVELS - 1, Math.floor(good * LEVELS));
    };
    const cell = (field) => make("td", { class: field === null ? "n" : `n h${level(field)}` }, shown(field));
    const heading = (text, scope) => make("th", scope === "col" ? { scope, class: "n" } : { scope }, text);
    const head = make("tr", {}, make("th", { scope: "col" }, `${down.name} \\ ${across.name}`));
    head.append(...across.values.map((value) => heading(value, "col")));
    const lines = down.values.map((value, row) => make("tr", {}, heading(value, "row"), ...fields[row].map(cell)));
    table.caption.querySelector("span").textContent = `${metrics[metric.value].name} by ${down.name} and ${across.name}`;
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...lines);
  };
  const change = (changed, other) => {
    // An axis can't be both: the other one becomes the first that is free.
    if (rows.value === columns.value) other.value = names.findIndex((_, index) => String(index) !== changed.value);
    draw();
  };
  rows.addEventListener("change", () => change(rows, columns));
  columns.addEventListener("change", () => change(columns, rows));
  for (const select of [metric, combine]) select.addEventListener("change", draw);
  const controls = make("div", { class: "controls" });
  controls.append(labelled("rows", rows), labelled("columns", columns), labelled("metric", metric), labelled("of several settings", combine));
  map.prepend(controls);
}
