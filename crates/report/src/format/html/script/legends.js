
// Clicking a name in a legend hides its lines; with Shift or by a double click, it shows them alone.
for (const pictures of document.querySelectorAll(".pictures")) {
  const items = [...pictures.querySelectorAll(".legend li[data-setting]")];
  const buttons = items.map((item) => {
    const button = make("button", { type: "button", "aria-pressed": "true" }, ...item.childNodes);
    item.append(button);
    return button;
  });
  const isShown = (index) => buttons[index].getAttribute("aria-pressed") === "true";
  const show = (index, visible) => {
    buttons[index].setAttribute("aria-pressed", String(visible));
    const lines = pictures.querySelectorAll(`g[data-setting="${items[index].dataset.setting}"]`);
    lines.forEach((line) => line.classList.toggle("off", !visible));
  };
  const showAlone = (index) => {
    const isAlone = items.every((_, other) => isShown(other) === (other === index));
    items.forEach((_, other) => show(other, isAlone || other === index));
  };
  buttons.forEach((button, index) => {
    button.addEventListener("click", (event) => (event.shiftKey ? showAlone(index) : show(index, !isShown(index))));
    button.addEventListener("dblclick", () => showAlone(index));
    const lines = () => pictures.querySelectorAll(`g[data-setting="${items[index].dataset.setting}"]`);
    const emphasise = (on) => {
      pictures.classList.toggle("emphasis", on);
      lines().forEach((line) => line.classList.toggle("emphasised", on));
    };
    for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => emphasise(true));
    for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => emphasise(false));
  });
  if (buttons.length > 2) {
    const all = make("button", { type: "button", class: "all" }, "show all");
    all.addEventListener("click", () => items.forEach((_, index) => show(index, true)));
    pictures.querySelector(".legend").append(make("li", {}, all));
  }
}
