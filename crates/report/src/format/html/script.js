
"use strict";
// Clicking a heading sorts its table; clicking a name in a legend hides its curves. The page is complete without this script.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const next = { none: "descending", descending: "ascending", ascending: "none" }[heading.ariaSort || "none"];
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      if (next !== "none") heading.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      const compare = (a, b) => {
        const [x, y] = [valueOf(a, column), valueOf(b, column)];
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
        return sign * (typeof x === "number" ? x - y : x.localeCompare(y));
      };
      body.append(...(next === "none" ? original : [...original].sort(compare)));
    });
  });
}
for (const item of document.querySelectorAll(".legend li[data-setting]")) {
  const button = document.createElement("button");
  button.setAttribute("aria-pressed", "true");
  button.append(...item.childNodes);
  item.append(button);
  button.addEventListener("click", () => {
    const hidden = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!hidden));
    const curves = item.closest(".pictures").querySelectorAll(`g[data-setting="${item.dataset.setting}"]`);
    curves.forEach((curve) => curve.classList.toggle("off", hidden));
  });
}
