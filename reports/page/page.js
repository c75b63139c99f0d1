// At the end of the body: theme button, choice of log and metric, links into folds, sortable tables.
const isDark = () =>
  root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

function setUpTheme() {
  const button = document.getElementById("theme");
  const say = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  button.hidden = false;
  say();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", say);
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    say();
    try {
      localStorage.setItem(THEME_KEY, root.dataset.theme);
    } catch (error) {
      root.dataset.unkept = "";
    }
  });
}

// What is of another log or metric than the chosen one is hidden; "" chooses all.
function setUpChoice(kind) {
  const select = document.getElementById(kind);
  if (!select) return;
  const offered = new Set([...select.options].flatMap((option) => (kind === "log" ? [option.value] : option.value.split(" "))));
  const show = () => {
    const chosen = kind === "log" ? [select.value] : select.value.split(" ");
    document.querySelectorAll(`[data-${kind}]`).forEach((part) => {
      const own = part.dataset[kind];
      part.hidden = select.value !== "" && offered.has(own) && !chosen.includes(own);
    });
  };
  select.addEventListener("change", show);
  show();
}

// A link to what is folded unfolds it.
function setUpLinks() {
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
    }
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  if (location.hash) unfold();
}

// What a cell sorts by: its first number ("+12.3 [1.0, 20.0]", "12 of 30", "< 0.001"), its text if
// the column has others, and null if it is blank.
const BLANK = /^(|n\/a|[-\u2013\u2014\u2212])$/;
const NUMBER = /^[<>\u2248~]?\s*([+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)/i;
const wordsOf = (cell) => (cell ? cell.textContent.trim().replaceAll("\u2212", "-") : "");
const isBlank = (text) => BLANK.test(text);

function numberOf(text) {
  const found = NUMBER.exec(text);
  return found ? Number(found[1].replaceAll(",", "")) : null;
}

function sortTable(table, column, direction) {
  const bodies = [...table.tBodies];
  const rowsOf = (body) => [...body.rows].filter((row) => !row.classList.contains("block"));
  const filled = bodies.flatMap(rowsOf).map((row) => wordsOf(row.cells[column])).filter((text) => !isBlank(text));
  const isNumeric = filled.every((text) => numberOf(text) !== null);
  const compare = (one, other) =>
    isNumeric ? numberOf(one) - numberOf(other) : one.localeCompare(other, "en", { numeric: true });
  for (const body of bodies) {
    const rows = rowsOf(body);
    rows.sort((one, other) => {
      if (!direction) return one.dataset.position - other.dataset.position;
      const [left, right] = [wordsOf(one.cells[column]), wordsOf(other.cells[column])];
      if (isBlank(left) || isBlank(right)) return isBlank(left) - isBlank(right);
      return direction * compare(left, right);
    });
    body.append(...rows);
  }
}

const DIRECTIONS = { none: ["ascending", 1], ascending: ["descending", -1], descending: ["none", 0] };

function setUpSorting(table) {
  const heads = [...table.tHead.rows[0].cells];
  [...table.tBodies].forEach((body) => [...body.rows].forEach((row, position) => { row.dataset.position = position; }));
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const [state, direction] = DIRECTIONS[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", state);
      sortTable(table, column, direction);
    });
  });
}

setUpTheme();
setUpChoice("log");
setUpChoice("metric");
document.querySelectorAll("table.sortable").forEach(setUpSorting);
setUpLinks();
