
// A figure can take the whole width; paper shows what is folded away; the navigation says where one is.
for (const figure of document.querySelectorAll(".charts figure:not(:only-child)")) {
  const button = make("button", { type: "button", class: "enlarge", "aria-pressed": "false" }, "enlarge");
  button.addEventListener("click", () => {
    const large = figure.classList.toggle("large");
    button.setAttribute("aria-pressed", String(large));
    button.textContent = large ? "smaller" : "enlarge";
  });
  figure.append(button);
}

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => opened.forEach((details) => { details.open = false; }));

const links = new Map([...document.querySelectorAll("nav.bar a")].map((link) => [link.hash.slice(1), link]));
const reached = new Set();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const id = target.id || target.getAttribute("aria-labelledby");
    if (isIntersecting) reached.add(id); else reached.delete(id);
  }
  const here = [...links.keys()].find((id) => reached.has(id));
  links.forEach((link, id) => (id === here ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
}, { rootMargin: "-20% 0px -60% 0px" });
document.querySelectorAll("main > section[aria-labelledby], #top").forEach((section) => observer.observe(section));
