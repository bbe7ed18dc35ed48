// Draws the figures, redraws them when the page turns light or dark, and saves figures and tables.
const specs = JSON.parse(document.getElementById("figures-data").textContent);
const views = new Map();
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function theme(isDark) {
  const ink = isDark ? "#e6e9ee" : "#1b2027";
  const soft = isDark ? "#a2acb9" : "#5a6472";
  const line = isDark ? "#343b45" : "#dfe3e8";
  return {
    background: null,
    font: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif",
    view: { stroke: null },
    axis: {
      labelColor: ink, titleColor: soft, gridColor: line, domainColor: soft, tickColor: soft,
      labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
    },
    legend: { labelColor: ink, titleColor: soft, labelFontSize: 12, symbolSize: 70,
      layout: { bottom: { direction: "vertical", anchor: "start", margin: 4 } } },
    text: { color: ink },
  };
}

// A phone has no room for four legend entries in a row, nor for long names beside a plot.
function fitted(spec, width) {
  if (width > 520) return spec;
  return JSON.parse(JSON.stringify(spec), function (key, value) {
    if (key === "columns") return value / 2;
    if (key === "labelLimit" && this.orient !== "bottom") return Math.min(value, 110);
    return value;
  });
}

async function draw(box) {
  const id = box.dataset.figure;
  const width = box.clientWidth;
  const controls = document.getElementById(`${id}-controls`);
  controls.replaceChildren();
  const result = await window.vegaEmbed(box, fitted(specs[id], width), {
    actions: false, renderer: "svg", bind: controls, config: theme(dark.matches), logLevel: 1,
  });
  // The figure's text alternative says what it shows; thousands of labelled marks would not.
  box.querySelector("svg").setAttribute("aria-hidden", "true");
  box.dataset.width = width > 520 ? "wide" : "narrow";
  views.set(id, result.view);
}

// One after the other, so that the page can be read and used meanwhile.
async function drawAll() {
  const pause = window.requestIdleCallback ?? ((next) => setTimeout(next));
  for (const box of document.querySelectorAll(".chart")) {
    await draw(box);
    await new Promise((next) => pause(next, { timeout: 100 }));
  }
}

function download(name, url) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

function saveTable(event, name) {
  const tables = JSON.parse(document.getElementById("csv-data")?.textContent ?? "{}");
  if (!(name in tables)) return;
  event.preventDefault();
  const url = URL.createObjectURL(new Blob([tables[name]], { type: "text/csv;charset=utf-8" }));
  download(name, url);
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

document.addEventListener("click", async (event) => {
  const save = event.target.closest("[data-save]");
  if (save && views.has(save.dataset.figure)) {
    const url = await views.get(save.dataset.figure).toImageURL(save.dataset.save, 2);
    download(`${save.dataset.figure}.${save.dataset.save}`, url);
  }
  const table = event.target.closest("[data-csv]");
  if (table) saveTable(event, table.dataset.csv);
});

dark.addEventListener("change", drawAll);
window.addEventListener("resize", () => {
  for (const box of document.querySelectorAll(".chart")) {
    const now = box.clientWidth > 520 ? "wide" : "narrow";
    if (box.dataset.width && box.dataset.width !== now) draw(box);
  }
});
drawAll();
