"use strict";
(() => {
  const hover = JSON.parse(document.getElementById("hover").textContent);
  const body = document.body, root = document.documentElement;
  const tip = document.getElementById("tip");
  const memory = {
    get(key) { try { return sessionStorage.getItem("dimebench." + key); } catch { return null; } },
    set(key, value) { try { sessionStorage.setItem("dimebench." + key, value); } catch { /* not kept */ } },
  };

  // --- variants: shown or hidden in every figure and table at once ---
  const hidden = new Set(JSON.parse(memory.get("hidden") || "[]").filter((v) => v in hover.names));
  const toggles = [...document.querySelectorAll("[data-toggle]")];
  const all = document.getElementById("all");
  function applyHidden() {
    for (const button of toggles) {
      const v = Number(button.dataset.toggle);
      body.classList.toggle("hide-" + v, hidden.has(v));
      button.setAttribute("aria-pressed", String(!hidden.has(v)));
    }
    all.hidden = hidden.size === 0;
    memory.set("hidden", JSON.stringify([...hidden]));
    hideTip();
  }
  for (const button of toggles) {
    const v = Number(button.dataset.toggle);
    button.title = "Click: show or hide. Double-click: this one alone.";
    button.addEventListener("click", () => { hidden.has(v) ? hidden.delete(v) : hidden.add(v); applyHidden(); });
    button.addEventListener("dblclick", () => {
      hidden.clear();
      for (const other of toggles) if (other !== button) hidden.add(Number(other.dataset.toggle));
      applyHidden();
    });
  }
  all.addEventListener("click", () => { hidden.clear(); applyHidden(); toggles[0].focus(); });

  // --- light, dark, or as the system says ---
  const theme = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  function applyTheme(name) {
    if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
    theme.textContent = name;
    theme.setAttribute("aria-label", "Colours: " + (name === "auto" ? "as the system" : name));
    memory.set("theme", name);
  }
  theme.addEventListener("click", () => applyTheme(themes[(themes.indexOf(theme.textContent) + 1) % 3]));
  const kept = memory.get("theme");
  if (themes.includes(kept)) applyTheme(kept);

  // --- tables: sorted by the column whose head is clicked ---
  function key(row, column) {
    const cell = row.cells[column];
    const text = (cell && (cell.dataset.sort ?? cell.textContent) || "").trim();
    const number = Number(text.replace(/[,\s]/g, "").replace(/\u2212/g, "-"));
    return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
  }
  function compare(a, b) {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }
  for (const button of document.querySelectorAll(".sortable th button.sort")) {
    button.addEventListener("click", () => {
      const head = button.closest("th"), table = button.closest("table");
      const column = [...head.parentNode.children].indexOf(head);
      const rows = [...table.tBodies[0].rows];
      const numeric = rows.some((row) => typeof key(row, column) === "number");
      const before = head.getAttribute("aria-sort");
      const down = before ? before === "ascending" : numeric;  // numbers: largest first
      for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = rows.map((row) => [key(row, column), row]);
      order.sort(([a], [b]) => (a === null || b === null ? compare(a, b) : down ? compare(b, a) : compare(a, b)));
      table.tBodies[0].append(...order.map(([, row]) => row));
    });
  }

  // --- room: how high the bar is, and what scrolls in it or below it ---
  const bar = document.querySelector(".bar");
  const measured = new ResizeObserver(() => {
    const covers = getComputedStyle(bar).position === "sticky";
    root.style.setProperty("--bar", (covers ? bar.offsetHeight : 0) + "px");
  });
  measured.observe(bar);
  function headOf(area) {  // the heading, or the summary, that stands before it
    const before = [...document.querySelectorAll("h2, h3, summary")];
    return before.filter((head) => head.compareDocumentPosition(area) & Node.DOCUMENT_POSITION_FOLLOWING).pop();
  }
  const areas = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const area = target.closest(".scroll");
      const more = area.scrollWidth > area.clientWidth;
      area.classList.toggle("more", more);
      if (more) {  // the arrow keys scroll what has the focus
        area.tabIndex = 0;
        area.setAttribute("role", "region");
        area.setAttribute("aria-label", (headOf(area)?.textContent ?? "") + ", scrolls sideways");
      } else for (const name of ["tabindex", "role", "aria-label"]) area.removeAttribute(name);
    }
  });
  for (const area of document.querySelectorAll(".scroll")) {
    areas.observe(area);
    if (area.firstElementChild) areas.observe(area.firstElementChild);
  }

  // --- tables that turn into cards: each cell says what it is, and stays a cell to a screen reader ---
  for (const table of document.querySelectorAll(".comparisons, .ranking, .tasks")) {
    const heads = [...table.tHead.rows[0].cells];
    const cards = table.classList.contains("comparisons"), tasks = table.classList.contains("tasks");
    if (cards) table.classList.add("cards");
    if (tasks && heads.length > 7) table.classList.add("split");  // on paper
    table.setAttribute("role", "table");
    for (const row of table.tBodies[0].rows) {
      row.setAttribute("role", "row");
      [...row.cells].forEach((cell, i) => {
        cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "cell");
        if (cards && cell.tagName !== "TH") cell.dataset.label = heads[i].textContent.trim();
        if (!tasks || cell.tagName === "TH") return;
        const of = document.createElement("div");
        of.className = "of";
        of.append(...[...(heads[i].querySelector("button") ?? heads[i]).childNodes].map((node) => node.cloneNode(true)));
        cell.prepend(of);
      });
    }
  }
  if (!CSS.supports("selector(::details-content)")) {  // else the style sheet opens them on paper
    let opened = [];
    addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("details:not([open])")];
      for (const details of opened) details.open = true;
    });
    addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
  }

  // --- values under the pointer, or under the arrow keys ---
  const whole = (value) => Math.round(value).toLocaleString("en");
  function writer([low, high]) {  // as many decimals for every value of an axis, a thousandth of it or finer
    const span = Math.abs(high - low) || 1;
    const digits = Math.max(0, Math.min(6, 3 - Math.floor(Math.log10(span))));
    return (value) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }
  const cross = document.createElement("i");
  cross.className = "cross";
  function hideTip() { tip.hidden = true; cross.remove(); }
  function showTip(lines, left, top) {
    tip.replaceChildren(...lines.map(([v, text]) => {
      const line = document.createElement("div");
      const key = v === null ? null : document.querySelector(`[data-toggle="${v}"] .key`);
      line.className = key ? "name" : "";
      line.append(...(key ? [key.cloneNode(true)] : []), text);
      return line;
    }));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const x = left + 16 + box.width > innerWidth ? left - box.width - 12 : left + 16;
    tip.style.left = Math.max(4, x) + "px";
    tip.style.top = Math.max(4, Math.min(top + 12, innerHeight - box.height - 4)) + "px";
  }
  const visible = (entries) => entries.filter((entry) => !hidden.has(entry.v));
  function pixels(panel, svg, x, y) {
    const box = svg.getBoundingClientRect(), [x0, y0, x1, y1] = panel.box;
    return [
      box.left + box.width * (x0 + (x1 - x0) * (x - panel.x[0]) / (panel.x[1] - panel.x[0])),
      box.top + box.height * (y1 - (y1 - y0) * (y - panel.y[0]) / (panel.y[1] - panel.y[0])),
    ];
  }
  function stops(panel) {  // where the arrow keys halt: env steps of a curve, or places in reading order
    const curves = visible(panel.curves);
    if (curves.length) return [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
    return visible(panel.places);
  }
  function nearest(values, wanted) {
    let best = 0;
    values.forEach((value, i) => { if (Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = i; });
    return best;
  }
  function showCurves(drawing, panel, x, svg) {
    const lines = [], short = writer(panel.y), along = panel.x[1] - panel.x[0] > 100 ? whole : writer(panel.x);
    const span = panel.x[1] - panel.x[0];
    for (const curve of visible(panel.curves)) {
      const i = nearest(curve.x, x);
      if (Math.abs(curve.x[i] - x) > span / 12) continue;
      const ends = curve.low ? ` [${short(curve.low[i])}, ${short(curve.high[i])}]` : "";
      const at = Math.abs(curve.x[i] - x) > span / 200 ? ` at ${along(curve.x[i])}` : "";
      lines.push([curve.v, `${hover.names[curve.v]}: ${short(curve.y[i])}${ends}${at}`]);
    }
    if (!lines.length) return hideTip();
    const [left, top] = pixels(panel, svg, x, panel.y[1]);
    const [, bottom] = pixels(panel, svg, x, panel.y[0]);
    const place = drawing.getBoundingClientRect();
    cross.style.left = left - place.left + "px";
    cross.style.top = top - place.top + "px";
    cross.style.height = bottom - top + "px";
    drawing.append(cross);
    showTip([[null, `${panel.title ? panel.title + ", " : ""}${along(x)}`], ...lines], left, top);
  }
  function showPlace(place, panel, svg) {
    cross.remove();
    const [left, top] = pixels(panel, svg, place.x, place.y);
    showTip([[place.v, place.text]], left, top);
  }
  for (const drawing of document.querySelectorAll("[data-drawing]")) {
    const panels = hover.drawings[drawing.dataset.drawing] || [];
    const svg = drawing.querySelector("svg");
    let at = [0, -1];  // panel and stop of the arrow keys
    drawing.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const fx = (event.clientX - box.left) / box.width, fy = (event.clientY - box.top) / box.height;
      const panel = panels.find(({ box: [x0, y0, x1, y1] }) => fx >= x0 && fx <= x1 && fy >= y0 && fy <= y1);
      if (!panel) return hideTip();
      const [x0, y0, x1, y1] = panel.box;
      const x = panel.x[0] + (panel.x[1] - panel.x[0]) * (fx - x0) / (x1 - x0);
      const y = panel.y[0] + (panel.y[1] - panel.y[0]) * (y1 - fy) / (y1 - y0);
      if (panel.curves.length) {
        const xs = stops(panel);
        return xs.length ? showCurves(drawing, panel, xs[nearest(xs, x)], svg) : hideTip();
      }
      const near = visible(panel.places).filter((p) => Math.abs(p.y - y) <= 0.5 && (!p.xs || (x >= p.xs[0] && x <= p.xs[1])));
      near.length ? showPlace(near[0], panel, svg) : hideTip();
    });
    drawing.addEventListener("pointerleave", hideTip);
    drawing.addEventListener("blur", hideTip);
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") return hideTip();
      if (!step || !panels.length) return;
      event.preventDefault();
      const across = event.key === "ArrowUp" || event.key === "ArrowDown";
      if (across && panels.length > 1) at = [(at[0] + step + panels.length) % panels.length, 0];
      else at = [at[0], at[1] + step];
      const panel = panels[at[0]], list = stops(panel);
      if (!list.length) return hideTip();
      at[1] = Math.max(0, Math.min(at[1], list.length - 1));
      panel.curves.length && typeof list[0] === "number"
        ? showCurves(drawing, panel, list[at[1]], svg) : showPlace(list[at[1]], panel, svg);
    });
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  addEventListener("scroll", hideTip, { passive: true });

  // --- a report that is being written: read it anew, where one was ---
  const refresh = Number(body.dataset.refresh || 0);
  if (refresh) {
    scrollTo(0, Number(memory.get("scroll") || 0));
    addEventListener("scroll", () => memory.set("scroll", String(scrollY)), { passive: true });
    setTimeout(() => location.reload(), 1000 * refresh);
  }
  applyHidden();
})();
