// The answers browser. Every text of a user or model goes in as text, never as HTML.
const data = JSON.parse(document.getElementById("browser-data").textContent);
const root = document.getElementById("browser");

// Blocks of questions with their answers: unpacked when one of them is first looked at.
const unpacked = new Map();
function load(number) {
  if (!unpacked.has(number)) {
    unpacked.set(number, unpack(document.getElementById(`answers-${number}`).textContent));
  }
  return unpacked.get(number);
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const labels = new Map(data.runs.map(({ run, label }) => [run, label]));
const labelOf = (run) => labels.get(run) ?? run;

function chooser(title, className = "") {
  const select = element("select", { name: title.toLowerCase() });
  return { select, label: element("label", { className }, title, select) };
}

function fill(select, options, chosen) {
  select.replaceChildren(
    ...options.map(([value, text]) => element("option", { value, textContent: text })),
  );
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

function start() {
  const benchmarks = data.benchmarks.filter((benchmark) => benchmark.items.length);
  if (!benchmarks.length) {
    root.append(element("p", { textContent: "No answers are part of this page." }));
    return;
  }
  const parts = {
    benchmark: chooser("Benchmark"), lang: chooser("Language"), category: chooser("Category"),
    question: chooser("Question", "wide"), left: chooser("Left", "wide"), right: chooser("Right", "wide"),
  };
  const back = element("button", { type: "button", className: "step", textContent: "← previous" });
  const next = element("button", { type: "button", className: "step", textContent: "next →" });
  const left_out = element("p", { className: "small" });
  const shown = element("div", { ariaLive: "polite" });
  if (benchmarks.length < 2) parts.benchmark.label.hidden = true;
  root.append(
    element("div", { className: "filters" },
      parts.benchmark.label, parts.lang.label, parts.category.label, parts.question.label,
      parts.left.label, parts.right.label, element("div", { className: "steps" }, back, next)),
    left_out, shown,
  );

  const select = Object.fromEntries(Object.entries(parts).map(([k, v]) => [k, v.select]));
  const current = () => benchmarks.find((b) => b.name === select.benchmark.value);
  const matching = () => current().items.filter((item) =>
    item.lang === select.lang.value &&
    (select.category.value === "" || item.category === select.category.value));

  function fillAll(wanted = {}) {
    fill(select.benchmark, benchmarks.map((b) => [b.name, b.name]), wanted.benchmark ?? select.benchmark.value);
    const { items, total } = current();
    const held = new Set(items.map((item) => item.id)).size;
    left_out.textContent = held < total
      ? `${held} of ${total} questions are part of this page; all answers are in the result files.` : "";
    const present = new Set(items.map((item) => item.lang));
    const languages = data.languages.filter(([code]) => present.has(code));
    fill(select.lang, languages, wanted.lang ?? select.lang.value);
    const categories = [...new Set(items.map((item) => item.category))].sort();
    fill(select.category, [["", "all"], ...categories.map((c) => [c, c])], wanted.category ?? select.category.value);
    const runs = data.runs.map(({ run }) => run).filter((run) => current().runs.includes(run));
    const options = runs.map((run) => [run, labelOf(run)]);
    fill(select.left, options, wanted.left ?? (select.left.value || runs[0]));
    const mixed = data.runs.find(({ run, mixed }) => mixed && runs.includes(run))?.run;
    fill(select.right, options, wanted.right ?? (select.right.value || mixed));
    fillQuestions(wanted.question);
  }

  function fillQuestions(wanted) {
    const options = matching().map((item) =>
      [item.id, `${item.id} · ${item.category} · ${item.start}`]);
    fill(select.question, options, wanted ?? select.question.value);
    show();
  }

  async function show(remember = false) {
    const items = matching();
    const at = items.findIndex((item) => item.id === select.question.value);
    back.disabled = at <= 0;
    next.disabled = at < 0 || at >= items.length - 1;
    const runs = [select.left.value, select.right.value];
    const wanted = at < 0 ? null : items[at].id;
    if (wanted === null) shown.replaceChildren();
    else {
      const { block, lang } = items[at];
      const found = (await load(block)).find((item) => item.id === wanted && item.lang === lang);
      // Another question may have been chosen while this one was unpacked.
      if (select.question.value !== wanted || select.lang.value !== lang) return;
      shown.replaceChildren(...turnsOf(found, runs));
    }
    if (remember && at >= 0) {
      const state = new URLSearchParams({
        question: items[at].id, lang: select.lang.value, left: runs[0], right: runs[1],
        benchmark: select.benchmark.value,
      });
      history.replaceState(null, "", `#answers?${state}`);
    }
  }

  function step(by) {
    const ids = matching().map((item) => item.id);
    select.question.value = ids[ids.indexOf(select.question.value) + by];
    show(true);
  }

  function fromAddress() {
    const [place, query] = location.hash.slice(1).split("?");
    if (place !== "answers" || !query) return false;
    fillAll({ category: "", ...Object.fromEntries(new URLSearchParams(query)) });
    document.getElementById("answers").scrollIntoView();
    return true;
  }

  select.benchmark.addEventListener("change", () => fillAll());
  select.lang.addEventListener("change", () => { fillQuestions(); show(true); });
  select.category.addEventListener("change", () => { fillQuestions(); show(true); });
  for (const name of ["question", "left", "right"]) {
    select[name].addEventListener("change", () => show(true));
  }
  back.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  window.addEventListener("hashchange", fromAddress);
  if (!fromAddress()) fillAll();
}

function turnsOf(item, runs) {
  return item.turns.map((asked, index) => {
    const turn = String(index + 1);
    const reference = item.reference[index];
    return element("div", { className: "turn" },
      element("h3", { textContent: item.turns.length > 1 ? `Turn ${turn}` : "Question" }),
      element("div", { className: "asked text", lang: item.lang, textContent: asked }),
      reference ? element("details", {},
        element("summary", { textContent: "Reference answer" }),
        element("div", { className: "text", textContent: reference })) : null,
      element("div", { className: "sides" }, ...runs.map((run) => side(item, run, turn))),
    );
  });
}

function side(item, run, turn) {
  const answer = item.answers[run]?.[turn];
  const box = element("div", { className: "side" }, element("h4", { textContent: labelOf(run) }));
  if (!answer) {
    box.append(element("p", { className: "small", textContent: "not asked" }));
    return box;
  }
  fillBox(box, answer);
  for (const [index, sample] of (answer.more ?? []).entries()) {
    box.append(element("h4", { textContent: `Sample ${index + 2}` }));
    fillBox(box, sample);
  }
  return box;
}

// One answer below the last heading of its box.
function fillBox(box, answer) {
  if (answer.finish !== "stop") {
    const words = answer.finish === "length" ? "cut at the length limit" : answer.finish;
    box.lastChild.append(element("span", { className: "tag warn", textContent: words }));
  }
  box.append(answer.text.trim()
    ? element("div", { className: "text", textContent: answer.text })
    : element("p", { className: "small", textContent: "(empty answer)" }));
  const judgements = answer.judgements ?? [];
  if (judgements.length) box.append(element("ul", {}, ...judgements.map(judgement)));
}

// A pairwise verdict in the eyes of this answer: the judge's letters change sides with the order.
function words({ verdict, order }) {
  const own = order === "AB" ? "A" : "B";
  if (verdict === "A" || verdict === "B") return verdict === own ? "prefers this answer" : "prefers the other";
  return verdict?.replace("_", " ");
}

function judgement(found) {
  const verdict = found.score ?? words(found) ?? `unscored: ${found.reason}`;
  const against = found.order
    ? ` against ${labelOf(found.baseline)}, this one shown ${found.order === "AB" ? "first" : "second"}` : "";
  const line = element("li", {}, `${found.evaluation}${against}: `, element("strong", { textContent: verdict }));
  if (found.raw) {
    line.append(element("details", {},
      element("summary", { textContent: "the judge's words" }),
      element("div", { className: "text", textContent: found.raw })));
  }
  return line;
}

start();
