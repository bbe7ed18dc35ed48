// Draws the figures, redraws them when the page turns light or dark, and saves figures.
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
    text: { color: ink }, header: { labelColor: soft, labelLimit: 0 },
  };
}

// A long name on two or three lines, whole: cut names of two mixtures may look the same.
const LINES = "split(replace(datum.label, /(.{6,14}[-·. /])/g, '$1\\n'), '\\n')";

// A phone has no room for four legend entries in a row, nor for long names beside a plot.
function fitted(spec, width) {
  const narrow = width <= 520;
  const fit = narrow ? JSON.parse(JSON.stringify(spec), function (key, value) {
    if (key === "columns" && this.facet === undefined) return value / 2;
    if (key === "axis" && value?.labelLimit && value.orient !== "top") {
      return { ...value, labelLimit: 0, labelExpr: LINES, labelFontSize: 11 };
    }
    return value;
  }) : spec;
  return fit.facet ? fittedPanels(fit, width) : fit;
}

// Several plots side by side share the width: Vega-Lite fits single plots alone.
function fittedPanels(spec, width) {
  const { least, names } = spec.usermeta.panels;
  const room = width - (width <= 520 ? Math.min(names, 120) : names);
  const columns = Math.max(1, Math.min(spec.columns, Math.floor(room / least)));
  const facet = { ...spec.facet, header: { ...spec.facet.header } };
  if (width <= 520) {
    facet.header.labelFontSize = 11;
    facet.header.labelExpr = "split(replace(datum.label, /(.{8,26}) /g, '$1\\n'), '\\n')";
  }
  return { ...spec, facet, columns, spec: { ...spec.spec, width: Math.floor(room / columns) - 26 } };
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
  box.dataset.width = specs[id].facet ? `${width}` : size(width);
  views.set(id, result.view);
}

// One after the other, so that the page can be read and used meanwhile.
async function drawAll() {
  const pause = window.requestIdleCallback ?? ((next) => setTimeout(next));
  for (const box of document.querySelectorAll(".chart")) {
    // In a closed part there is no width to fit: drawn when it opens.
    if (box.clientWidth) await draw(box);
    await new Promise((next) => pause(next, { timeout: 100 }));
  }
}

const size = (width) => (width > 520 ? "wide" : "narrow");

document.addEventListener("click", async (event) => {
  const save = event.target.closest("[data-save]");
  if (save && views.has(save.dataset.figure)) {
    const url = await views.get(save.dataset.figure).toImageURL(save.dataset.save, 2);
    window.saveAs(`${save.dataset.figure}.${save.dataset.save}`, url);
  }
});

dark.addEventListener("change", drawAll);
for (const part of document.querySelectorAll("details")) {
  part.addEventListener("toggle", () => {
    for (const box of part.querySelectorAll(".chart")) {
      if (part.open && !box.dataset.width) draw(box);
    }
  });
}
window.addEventListener("resize", () => {
  for (const box of document.querySelectorAll(".chart")) {
    const panels = specs[box.dataset.figure].facet !== undefined;
    const now = panels ? `${box.clientWidth}` : size(box.clientWidth);
    if (box.dataset.width && box.dataset.width !== now) draw(box);
  }
});
drawAll();
