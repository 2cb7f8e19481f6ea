
// The values of a chart beside the pointer, or, with the keyboard, at the place that the arrow keys move.
const MOST_VALUES = 14;
for (const chart of values.charts) {
  const svg = document.querySelector(`svg[data-chart="${chart.key}"]`);
  const figure = svg.closest("figure");
  const pictures = svg.closest(".pictures");
  const plot = plotOf(svg);
  const box = make("div", { class: "values" });
  const spoken = make("p", { class: "hidden", "aria-live": "polite" });
  const line = makeSvg("path", { class: "pointer" });
  const dots = makeSvg("g", { class: "pointer" });
  box.hidden = true;
  figure.append(box, spoken);
  svg.append(line, dots);
  const places = [...new Set(chart.lines.flatMap((of) => of.points.map(([x]) => x)))].sort((a, b) => a - b);
  let index = -1;

  const hide = () => {
    box.hidden = true;
    line.setAttribute("d", "");
    dots.replaceChildren();
  };
  const isShown = (of) => !pictures.querySelector(`g.off[data-setting="${of.mark}"]`);
  const show = (place, aloud) => {
    index = place;
    const x = places[place];
    const found = chart.lines.filter(isShown).flatMap((of) => {
      const point = of.points.find(([at]) => at === x);
      return point ? [{ of, y: point[1] }] : [];
    });
    found.sort((a, b) => b.y - a.y);
    line.setAttribute("d", `M${plot.x(x)} ${plot.top}V${plot.bottom}`);
    const dot = ({ of, y }) => makeSvg("circle", { class: `s${of.mark % 7}`, cx: plot.x(x), cy: plot.y(y), r: 4 });
    dots.replaceChildren(...found.map(dot));
    const row = ({ of, y }) =>
      make("li", {}, make("i", { class: `s${of.mark % 7}` }), make("span", {}, of.name), make("b", {}, shown(y)));
    const more = found.length > MOST_VALUES ? [make("li", {}, `${found.length - MOST_VALUES} more`)] : [];
    const list = make("ul", {}, ...found.slice(0, MOST_VALUES).map(row), ...more);
    box.replaceChildren(make("p", {}, `${chart.x.replace(" (log scale)", "")} ${x}`), list);
    box.hidden = found.length === 0;
    const share = plot.x(x) / svg.viewBox.baseVal.width;
    box.classList.toggle("left", share > 0.55);
    box.style.setProperty(share > 0.55 ? "right" : "left", `calc(${100 * (share > 0.55 ? 1 - share : share)}% + 14px)`);
    box.style.removeProperty(share > 0.55 ? "left" : "right");
    if (aloud) spoken.textContent = `${chart.x} ${x}: ${found.map(({ of, y }) => `${of.name} ${shown(y)}`).join("; ")}`;
  };
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("pointermove", (event) => {
    const [x, y] = plot.at(event);
    if (x < plot.left - 8 || x > plot.right + 8 || y < plot.top - 8 || y > plot.bottom + 8) return hide();
    const distance = (place) => Math.abs(plot.x(places[place]) - x);
    let nearest = 0;
    for (let place = 1; place < places.length; place += 1) if (distance(place) < distance(nearest)) nearest = place;
    show(nearest, false);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -places.length, End: places.length }[event.key];
    if (event.key === "Escape") hide();
    if (step === undefined) return;
    event.preventDefault();
    show(Math.min(places.length - 1, Math.max(0, index + step)), true);
  });
}
