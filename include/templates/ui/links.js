// Airflow shows these pages in a frame. Its reader chose light or dark there, not here; and the frame may not navigate
// its window, so a link to Airflow itself is followed by the outer page.
const outer = window.parent === window ? null : window.parent.document;

function followTheme() {
  const classes = outer.documentElement.classList;
  const theme = ["dark", "light"].find((name) => classes.contains(name));
  if (theme) document.documentElement.dataset.theme = theme;
}

if (outer) {
  followTheme();
  new MutationObserver(followTheme).observe(outer.documentElement, { attributeFilter: ["class"] });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || !outer || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const copy = outer.createElement("a");
  copy.href = link.href;
  outer.body.append(copy);
  copy.click();
  copy.remove();
});
