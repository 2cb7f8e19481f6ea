
// The names of the files in this page become buttons that save them.
const items = document.querySelectorAll(".files li[data-file]");
if (items.length > 0 && "DecompressionStream" in window) {
  const carried = JSON.parse(document.getElementById("files").textContent).files;
  const unpack = (data) => {
    const packed = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).blob();
  };
  for (const item of items) {
    const file = carried.find(({ name }) => name === item.dataset.file);
    if (!file) continue;
    const name = item.querySelector("span");
    const button = make("button", { type: "button" }, `save ${file.name}`);
    name.replaceWith(button);
    button.addEventListener("click", async () => {
      const address = URL.createObjectURL(await unpack(file.data));
      make("a", { href: address, download: file.name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    });
  }
}
