// Airflow shows these pages in a frame. Its reader chose light or dark there, not here; and the frame may not navigate
// its window or open another, so the outer page follows links to Airflow itself and those that open a report. A report runs
// no script (its policy forbids it): in the frame it would be light in the dark, under the campaign's address, with no way back.
const outer = window.parent === window ? null : window.parent.document;
// What Airflow's own menu calls these pages, and the page that each of its entries opens.
const entries = { "/plugin/suture": "/", "/plugin/suture-feeds": "/feeds" };
const here = new URL(".", document.currentScript.src).pathname.replace(/\/$/, "");

function followTheme() {
  const classes = outer.documentElement.classList;
  const theme = ["dark", "light"].find((name) => classes.contains(name));
  if (theme) document.documentElement.dataset.theme = theme;
}

// Airflow's link to what it shows already changes the address only: without this the reader of a campaign who clicks on
// Suture keeps the campaign, under the address of the overview.
function backToTheEntry(event) {
  const link = event.target.closest("a[href]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const entry = Object.keys(entries).find((path) => link.pathname.endsWith(path));
  if (entry && outer.location.pathname.includes(`${entry}/`)) location.assign(here + entries[entry]);
}

if (outer) {
  followTheme();
  new MutationObserver(followTheme).observe(outer.documentElement, { attributeFilter: ["class"] });
  const left = new AbortController();
  outer.addEventListener("click", backToTheEntry, { capture: true, signal: left.signal });
  addEventListener("pagehide", () => left.abort());
  outer.title = document.title; // else every page has one name in the browser's tabs, history and bookmarks
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || !outer || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const copy = outer.createElement("a");
  copy.href = link.href;
  copy.target = link.target;
  outer.body.append(copy);
  copy.click();
  copy.remove();
});
