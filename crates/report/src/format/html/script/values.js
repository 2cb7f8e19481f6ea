// The values that the program wrote for this script, and the few functions that all parts use. The page is complete without it.
const values = JSON.parse(document.getElementById("values").textContent);

// Makes an element. Children that are texts stay texts: nothing here is ever parsed as HTML.
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const makeSvg = (tag, attributes) => {
  const element = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

// Shows a number as the program does outside of columns: with three to four significant digits.
const shown = (value) => {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const decimals = size < 10 ? 4 : size < 100 ? 2 : size < 1000 ? 1 : 0;
  return value.toFixed(decimals).replace("-", "−");
};

const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

// Makes a label with a control in it.
const labelled = (text, control) => make("label", {}, make("span", {}, text), control);

const selectOf = (options, chosen) => {
  const select = make("select");
  options.forEach((text, index) => select.append(make("option", { value: index }, text)));
  select.value = chosen;
  return select;
};

// The plot area of a chart, and how values become places in it and back.
const plotOf = (svg) => {
  const [left, top, right, bottom] = svg.dataset.plot.split(" ").map(Number);
  const [x0, x1, y0, y1] = svg.dataset.ends.split(" ").map(Number);
  const isLog = "log" in svg.dataset;
  const share = (x) => (isLog ? Math.log(x / x0) / Math.log(x1 / x0) : (x - x0) / (x1 - x0));
  return {
    left, top, right, bottom,
    x: (x) => left + share(x) * (right - left),
    y: (y) => bottom - ((y - y0) / (y1 - y0)) * (bottom - top),
    // The place of the pointer in the units of the chart.
    at: (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    },
  };
};
