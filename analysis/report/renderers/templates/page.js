"use strict";
// What a static page lacks: rows to filter and sort, and the region of practical equivalence to set. Without it all stands.
(() => {
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];

  // Filters. A row, a figure or a group of figures that is about something else than was chosen is hidden.
  const form = document.querySelector(".filters");
  const kinds = ["dataset", "metric", "estimand"];
  const told = all("tr[data-dataset][data-metric][data-estimand]");
  const chosen = {};
  const fits = (own, wanted) => own === wanted || own.startsWith(wanted + ": ");
  const filter = () => {
    for (const part of all("[data-dataset], [data-metric], [data-estimand]"))
      part.toggleAttribute("hidden", kinds.some(kind => chosen[kind] && kind in part.dataset && !fits(part.dataset[kind], chosen[kind])));
    for (const table of all("table")) {
      const rows = all("tbody tr", table);
      const none = rows.length > 0 && rows.every(row => row.hidden);
      table.hidden = none;
      const note = table.nextElementSibling;
      if (note) note.hidden = !none;
    }
    for (const fold of chosen.estimand ? all("details") : [])
      if (all("td.answer", fold).some(cell => !cell.parentElement.hidden)) fold.open = true;
  };
  for (const table of all("table")) {
    const note = document.createElement("small");
    note.textContent = "No row of this table is about what was chosen.";
    note.hidden = true;
    table.after(note);
  }
  for (const kind of kinds) {
    const values = [...new Set(told.map(row => row.dataset[kind]))];
    if (values.length < 2) continue;
    const label = document.createElement("label"), select = document.createElement("select");
    label.textContent = kind;
    for (const value of ["", ...values]) select.add(new Option(value || "all", value));
    select.addEventListener("change", () => { chosen[kind] = select.value; filter(); });
    select.setAttribute("autocomplete", "off");
    label.append(select);
    form.append(label);
    form.hidden = false;
  }
  const everything = document.createElement("button");
  everything.type = "reset";
  everything.textContent = "show all";
  form.append(everything);
  form.addEventListener("reset", () => { kinds.forEach(kind => delete chosen[kind]); filter(); });

  // Beside the page where there is room, else above the first table that it is for.
  const narrow = matchMedia("(max-width:1000px)"), side = form.parentElement, first = told[0] && told[0].closest(".scroll");
  const put = () => narrow.matches && first ? first.before(form) : side.append(form);
  narrow.addEventListener("change", put);
  put();

  // Sorting by a column: up, down, and as it stood.
  const number = text => {
    const found = text.replace(/\u2212/g, "-").match(/[+-]?\d+(\.\d+)?(e[+-]?\d+)?/i);
    return found ? Number(found[0]) - (text.startsWith("<") ? 1e-9 : 0) : NaN;
  };
  for (const table of all("table")) {
    const body = table.tBodies[0], stood = [...body.rows];
    if (stood.length < 2) continue;
    all("th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const words = head.classList.contains("word");
      const compare = (one, other) => {
        const [a, b] = [one, other].map(row => row.cells[column].textContent.trim());
        if (words) return a.localeCompare(b, "en", { numeric: true });
        const [x, y] = [number(a), number(b)];
        return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : x - y;
      };
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort") || ""] ?? "ascending";
        all("th", table).forEach(other => other.removeAttribute("aria-sort"));
        if (next) head.setAttribute("aria-sort", next);
        const rows = next ? [...stood].sort(compare) : stood;
        if (next === "descending") {
          const empty = row => !words && isNaN(number(row.cells[column].textContent));
          rows.reverse().sort((one, other) => empty(one) - empty(other));
        }
        table.classList.toggle("sorted", next !== "");
        body.append(...rows);
      });
    });
  }

  // What a link leads to is open when it is reached.
  const opened = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = place; fold; fold = fold.parentElement) if (fold.tagName === "DETAILS") fold.open = true;
    if (place && place.tagName === "DETAILS") place.scrollIntoView();
  };
  window.addEventListener("hashchange", opened);
  for (const link of all('a[href^="#"]')) link.addEventListener("click", () => setTimeout(opened));  // a second time
  opened();

  // A dot says which runs it is, for fingers and keys too, where it has no tooltip.
  const picture = document.querySelector(".seeds"), said = document.querySelector(".said");
  const say = dot => {
    let rest = dot.querySelector("title").textContent;
    said.replaceChildren();
    for (const [key, address] of JSON.parse(dot.dataset.runs || "[]")) {
      const link = document.createElement("a"), at = rest.indexOf(key);
      link.href = address;
      link.textContent = key;
      said.append(rest.slice(0, at), link);
      rest = rest.slice(at + key.length);
    }
    said.append(rest);
  };
  let clicked = null;
  for (const dot of picture ? all("circle", picture) : []) {
    dot.addEventListener("pointerenter", () => clicked || say(dot));
    dot.addEventListener("focus", () => say(dot));
    dot.addEventListener("click", () => { clicked = clicked === dot ? null : dot; say(dot); });
  }

  // The regions of practical equivalence: each verdict was computed for every width, and one of them is shown.
  for (const box of all(".regions")) {
    const name = box.dataset.name, sweep = JSON.parse(document.getElementById(name + "-verdicts").textContent);
    if (!sweep.rows.length) continue;
    const slider = box.querySelector("input"), shown = box.querySelector("output"), below = name === "rope" && picture;
    const of = row => sweep.rows.find(one => Object.entries(one.about).every(([kind, value]) => row.dataset[kind] === value));
    const targets = told.filter(row => row.querySelector("td.answer") && of(row)), places = targets.map(of);
    const show = place => {
      slider.value = place;
      shown.textContent = "\u00b1" + parseFloat((100 * sweep.widths[place]).toFixed(4)) + " pt";
      if (below) {
        const [low, high, left, width] = ["low", "high", "left", "width"].map(kind => Number(picture.dataset[kind]));
        const [from, to] = [-1, 1].map(side => Math.min(high, Math.max(low, side * 100 * sweep.widths[place])));
        const band = picture.querySelector(".region");
        band.setAttribute("x", left + (from - low) / (high - low) * width);
        band.setAttribute("width", (to - from) / (high - low) * width);
      }
      targets.forEach((row, at) => {
        const [text, kind, p] = places[at].verdicts[place];
        const badge = document.createElement("span");
        badge.className = "badge " + kind;
        badge.textContent = text;
        row.querySelector("td.answer").replaceChildren(badge);
        const decides = row.querySelector("td.decides");
        if (decides) decides.textContent = p;
        row.classList.toggle("moved", text !== places[at].verdicts[sweep.own][0]);
      });
    };
    const nearest = width => sweep.widths.reduce(
      (best, one, place) => Math.abs(one - width) < Math.abs(sweep.widths[best] - width) ? place : best, 0);
    const follow = () => {
      const [asked, width] = location.hash.slice(1).split("=");
      if (asked !== name || !/^[\d.]+$/.test(width)) return;
      show(nearest(Number(width)));
      box.scrollIntoView();
    };
    slider.addEventListener("input", () => show(Number(slider.value)));
    slider.addEventListener("change", () => history.replaceState(null, "", `#${name}=${sweep.widths[slider.value]}`));
    box.querySelector("button").addEventListener("click", () => {
      show(sweep.own);
      history.replaceState(null, "", location.pathname);
    });
    box.addEventListener("submit", event => event.preventDefault());
    window.addEventListener("hashchange", follow);
    box.hidden = false;
    for (const link of all(`a[data-${name}]`)) {
      link.hash = name + "=" + link.dataset[name];
      link.addEventListener("click", () => setTimeout(follow));
    }
    follow();
  }
})();
