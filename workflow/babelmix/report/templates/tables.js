// Sorts tables by their heads, and saves tables from inside this file: it needs no folder beside it.
window.saveAs = (name, url) => {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
};

document.addEventListener("click", (event) => {
  const name = event.target.closest("[data-csv]")?.dataset.csv;
  if (name === undefined) return;
  const files = JSON.parse(document.getElementById("csv-data")?.textContent ?? "{}");
  if (!(name in files)) return;
  const type = name.endsWith(".csv") ? "text/csv" : "application/x-tex";
  const url = URL.createObjectURL(new Blob([files[name]], { type: `${type};charset=utf-8` }));
  window.saveAs(name, url);
  setTimeout(() => URL.revokeObjectURL(url), 10000);
});

// What a cell is sorted by: its number, or its text; nothing goes last either way.
function keyOf(row, column) {
  const cell = row.cells[column];
  const text = cell.firstChild?.textContent.trim() ?? "";
  if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
  const number = Number(text.replace(/[\s\u202f%,]/g, "").replace("−", "-"));
  if (text === "" || text === "–" || text === "·") return null;
  return cell.classList.contains("number") && !Number.isNaN(number) ? number : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(table, column, down) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
  const filled = rows.filter(([key]) => key !== null);
  const empty = rows.filter(([key]) => key === null);
  filled.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
  body.append(...[...filled, ...empty].map(([, row]) => row));
}

for (const table of document.querySelectorAll(".table-box table")) {
  const heads = [...table.tHead.rows[0].cells];
  if (table.tBodies[0].rows.length < 2) continue;
  for (const [column, head] of heads.entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Numbers from the largest at first, texts from a to z.
      const now = head.getAttribute("aria-sort");
      const down = now === null ? head.classList.contains("number") : now === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sortBy(table, column, down);
    });
  }
}
