// Marking: a margin of a loss, or a miner, pointed at in one table or figure is marked in all others. A click keeps it.
(() => {
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];
  const form = document.querySelector(".marks"), told = document.createElement("output");
  const places = {}, chips = {}, kept = {};
  // A margin belongs to a loss, "LOSS 0.5", and each loss has its own chips; miners are one group.
  const group = (kind, value) => kind === "margin" ? "margin, " + value.slice(0, value.lastIndexOf(" ")) : kind;
  const id = (kind, value) => kind + " " + value;
  const mark = (key, on) => {
    for (const place of places[key]) place.classList.toggle("marked", on || own(place).some(one => Object.values(kept).includes(one)));
    chips[key].classList.toggle("marked", on);
  };
  const own = place => ["margin", "miner"].flatMap(
    kind => (place.dataset[kind] || "").split("|").filter(value => value).map(value => id(kind, value)));
  const say = () => {
    const found = Object.values(kept).flatMap(key => places[key]);
    const rows = found.filter(place => place.tagName === "TR").length;
    told.textContent = found.length ? `marked: ${rows} rows, ${found.length - rows} places in figures` : "";
  };
  const keep = (name, key) => {
    const before = kept[name];
    delete kept[name];
    if (before !== key) kept[name] = key;
    for (const one of [before, key]) if (one) {
      mark(one, false);
      chips[one].setAttribute("aria-pressed", kept[name] === one);
    }
    say();
  };
  for (const place of all("[data-margin], [data-miner]")) for (const key of own(place)) (places[key] ||= []).push(place);
  const groups = {};
  for (const kind of ["margin", "miner"])
    for (const value of new Set(all(`[data-${kind}]`).flatMap(place => place.dataset[kind].split("|"))))
      (groups[group(kind, value)] ||= []).push([kind, value]);
  for (const [name, members] of Object.entries(groups)) {
    const box = document.createElement("fieldset"), legend = document.createElement("legend");
    legend.textContent = name;
    box.append(legend);
    const last = ([, value]) => value.slice(value.lastIndexOf(" ") + 1);
    members.sort((one, other) => last(one) - last(other) || last(one).localeCompare(last(other)));
    for (const [kind, value] of members) {
      const key = id(kind, value), chip = chips[key] = document.createElement("button");
      chip.type = "button";
      chip.textContent = last([kind, value]);
      chip.setAttribute("aria-pressed", "false");
      chip.setAttribute("aria-label", "mark " + key);
      chip.addEventListener("click", () => keep(name, key));
      for (const target of [chip, ...places[key]])
        for (const [event, on] of [["pointerenter", true], ["pointerleave", false]])
          target.addEventListener(event, () => mark(key, on));
      for (const place of places[key]) if (place.closest("figure")) place.addEventListener("click", () => keep(name, key));
      box.append(chip);
    }
    if (members.length < 2) continue;
    form.append(box);
    form.hidden = false;
  }
  form.append(told);
  form.addEventListener("submit", event => event.preventDefault());
  addEventListener("keydown", event => {
    if (event.key === "Escape") for (const [name, key] of Object.entries(kept)) keep(name, key);
  });
  // Beside the page where there is room, else above the first figure that it is for.
  const narrow = matchMedia("(max-width:1000px)"), side = form.parentElement, first = document.querySelector("figure [data-margin]");
  const put = () => narrow.matches && first ? first.closest(".group").before(form) : side.append(form);
  narrow.addEventListener("change", put);
  put();
})();
