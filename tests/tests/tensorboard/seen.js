// Waits until a page shows all of these words, but no more than half a minute, and returns which it lacks and what it shows.
// TensorBoard's pages are made of elements with inner documents of their own ("shadow roots"), which are looked into as well.
(async (words) => {
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const parts = (node) => [...(node?.shadowRoot?.childNodes ?? []), ...(node?.childNodes ?? [])];
  const text = (node) => {
    if (node?.nodeType === Node.TEXT_NODE) return ` ${node.data}`;
    return ["STYLE", "SCRIPT", "TEMPLATE", "DOM-MODULE"].includes(node?.tagName) ? "" : parts(node).map(text).join("");
  };
  for (let tries = 1; ; tries += 1) {
    const seen = text(document.body).replace(/\s+/g, " ");
    const missing = words.filter((word) => !seen.includes(word));
    if (missing.length === 0 || tries === 150) return { missing, seen };
    await pause(200);
  }
})
