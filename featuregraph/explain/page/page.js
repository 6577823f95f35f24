"use strict";
// The picture without this script is a list of boxes; with it, boxes answer: hover, focus, search, zoom, pan.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const root = document.documentElement, pane = find("pane"), facts = find("facts"), search = find("search");
  const boxes = new Map([...document.querySelectorAll(".box")].map((box) => [box.id, box]));
  const paths = [...document.querySelectorAll(".canvas path")];
  const features = [...boxes.keys()].filter((id) => id[0] === "f");
  const named = new Map(features.map((id) => [data.boxes[id].name, id]));
  const up = new Map(), down = new Map();
  for (const [from, to] of data.lines) {
    if (!down.has(from)) down.set(from, []);
    if (!up.has(to)) up.set(to, []);
    down.get(from).push(to);
    up.get(to).push(from);
  }

  const reach = (id, next) => {
    const seen = new Set([id]);
    for (const one of seen) for (const other of next.get(one) ?? []) seen.add(other);
    return seen;
  };
  const above = new Map(features.map((id) => [id, reach(id, up)]));

  // The nearest part that another feature has in common: an aggregate, the rows of a filter, the reads of an event.
  const NEAR = [["a", "share-a", "Shares an aggregate with"], ["t", "share-r", "Shares rows with"], ["s", "share-d", "Shares reads with"]];
  const sharing = (id) => {
    const found = new Map(NEAR.map(([, name]) => [name, []]));
    for (const other of features) {
      if (other === id) continue;
      const common = [...above.get(other)].filter((part) => above.get(id).has(part));
      const near = NEAR.find(([kind]) => common.some((part) => part[0] === kind));
      if (near) found.get(near[1]).push(other);
    }
    return found;
  };

  let chosen = null, shown = null;

  const clear = () => {
    root.classList.remove("lit");
    for (const box of boxes.values()) box.classList.remove("on", "chosen", "share-a", "share-r", "share-d");
    for (const path of paths) path.classList.remove("on");
    shown = null;
  };

  const light = (id) => {
    if (shown === id) return;
    clear();
    shown = id;
    const parts = new Set([...reach(id, up), ...reach(id, down)]);
    for (const part of parts) boxes.get(part).classList.add("on");
    for (const path of paths) path.classList.toggle("on", parts.has(path.dataset.from) && parts.has(path.dataset.to));
    const shares = id[0] === "f" ? sharing(id) : new Map();
    for (const [name, others] of shares) for (const other of others) boxes.get(other).classList.add(name);
    boxes.get(id).classList.add("chosen");
    root.classList.add("lit");
    tell(id, shares);
  };

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const tell = (id, shares) => {
    const list = element("dl");
    const [[kind, title], ...rest] = data.boxes[id].facts;
    for (const [what, text] of rest) {
      list.append(element("dt", what), element("dd", text, /Expression|Written|Aggregate|Rows|Drops/.test(what) ? "mono" : ""));
    }
    for (const [, name, what] of NEAR) {
      const others = shares.get(name) ?? [];
      if (!others.length) continue;
      const names = element("dd", undefined, `names ${name}`);
      for (const other of others) {
        const button = element("button", data.boxes[other].name);
        button.type = "button";
        button.addEventListener("click", () => choose(other, true));
        names.append(button);
      }
      list.append(element("dt", `${what} ${others.length}`), names);
    }
    const head = element("h2", title, id[0] === "f" || id[0] === "e" ? "" : "mono");
    facts.replaceChildren(element("div", kind, "muted"), head, list);
  };

  const rest = () => {
    clear();
    facts.replaceChildren(...[...find("help").content.children].map((child) => child.cloneNode(true)));
  };

  const choose = (id, move) => {
    if (chosen) boxes.get(chosen).setAttribute("aria-pressed", "false");
    chosen = id;
    if (id === null) return rest();
    boxes.get(id).setAttribute("aria-pressed", "true");
    light(id);
    if (move) {
      rove(boxes.get(id));
      boxes.get(id).focus({ preventScroll: true });
      boxes.get(id).scrollIntoView({ block: "center", inline: "nearest" });
    }
    const name = data.boxes[id].name;
    if (id[0] === "f") history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  };

  // One tab stop per layer; arrows go on inside it, left and right to what the box is made from or makes.
  const layers = [...document.querySelectorAll(".canvas ol")].map((list) => [...list.querySelectorAll(".box")]);
  const rove = (box) => {
    for (const other of layers.find((layer) => layer.includes(box))) other.tabIndex = other === box ? 0 : -1;
  };
  for (const layer of layers) layer.forEach((box, place) => { box.tabIndex = place ? -1 : 0; });
  const KEYS = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };
  const go = (box, key) => {
    const layer = layers.find((one) => one.includes(box));
    if (key in KEYS) return layer[Math.max(0, Math.min(layer.length - 1, layer.indexOf(box) + KEYS[key]))];
    const next = key === "ArrowLeft" ? up : key === "ArrowRight" ? down : null;
    return next && boxes.get((next.get(box.id) ?? [])[0]);
  };

  for (const [id, box] of boxes) {
    box.addEventListener("pointerenter", () => light(id));
    box.addEventListener("pointerleave", () => (chosen ? light(chosen) : rest()));
    box.addEventListener("focus", () => { rove(box); light(id); });
    box.addEventListener("click", () => choose(chosen === id ? null : id));
    box.addEventListener("keydown", (event) => {
      const next = go(box, event.key);
      if (!next) return;
      event.preventDefault();
      rove(next);
      next.focus();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { search.value = ""; look(); choose(null); }
    if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
  });

  // ---- search
  let hits = [], at = -1;
  const look = () => {
    const text = search.value.trim().toLowerCase();
    hits = text ? features.filter((id) => data.boxes[id].name.toLowerCase().includes(text)) : [];
    at = -1;
    for (const [id, box] of boxes) box.classList.toggle("hit", hits.includes(id));
    root.classList.toggle("found", Boolean(text));
    find("hits").textContent = text ? `${hits.length} of ${features.length}` : "";
    if (hits.length) boxes.get(hits[0]).scrollIntoView({ block: "center", inline: "nearest" });
  };
  search.addEventListener("input", look);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !hits.length) return;
    at = (at + 1) % hits.length;
    root.classList.remove("found");
    const id = hits[at];
    choose(id, true);
    search.focus();
  });

  // ---- zoom and pan
  let zoom = 1;
  const graph = find("graph");
  const scale = (next, x = pane.clientWidth / 2, y = pane.clientHeight / 2) => {
    const before = zoom;
    zoom = Math.min(3, Math.max(0.15, next));
    const left = (pane.scrollLeft + x) * (zoom / before) - x, top = (pane.scrollTop + y) * (zoom / before) - y;
    graph.style.setProperty("--zoom", zoom);
    find("percent").textContent = `${Math.round(zoom * 100)} %`;
    pane.scrollTo(left, top);
  };
  const width = () => Math.min(1.15, pane.clientWidth / (data.width + 36));
  const whole = () => scale(Math.min(width(), pane.clientHeight / (data.height + 74)));
  find("closer").addEventListener("click", () => scale(zoom * 1.25));
  find("farther").addEventListener("click", () => scale(zoom / 1.25));
  find("percent").addEventListener("click", () => scale(1));
  find("wide").addEventListener("click", () => scale(width()));
  find("whole").addEventListener("click", whole);
  pane.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const { left, top } = pane.getBoundingClientRect();
    scale(zoom * Math.exp(-event.deltaY / 300), event.clientX - left, event.clientY - top);
  }, { passive: false });
  pane.addEventListener("keydown", (event) => {
    const step = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
    if (step) scale(zoom * step);
    if (event.key === "0") scale(width());
  });
  let from = null;
  pane.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch" || event.target.closest(".box")) return;
    from = [event.clientX + pane.scrollLeft, event.clientY + pane.scrollTop];
    pane.setPointerCapture(event.pointerId);
    pane.classList.add("dragged");
  });
  pane.addEventListener("pointermove", (event) => from && pane.scrollTo(from[0] - event.clientX, from[1] - event.clientY));
  for (const end of ["pointerup", "pointercancel"]) {
    pane.addEventListener(end, () => { from = null; pane.classList.remove("dragged"); });
  }

  // As wide as the pane, but never too small to read.
  scale(Math.max(0.72, width()));
  rest();
  const asked = named.get(decodeURIComponent(location.hash.slice(1)));
  if (asked) choose(asked, true);
  root.dataset.ready = "yes";
})();
