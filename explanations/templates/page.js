(() => {
  const page = document, picture = page.querySelector(".scroll .lg"), tip = page.getElementById("tip");
  if (!picture || !tip) return;
  const all = (what, root = picture) => [...root.querySelectorAll(what)];
  const words = (text) => (text || "").split(" ").filter(Boolean);
  const details = new Map();
  all("title").forEach((title) => {
    details.set(title.parentNode, title.textContent);
    title.remove();
  });

  const place = (event) => {
    const x = event.clientX, y = event.clientY, box = tip.getBoundingClientRect();
    tip.style.left = Math.max(6, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(6, y - box.height - 12) : y + 18) + "px";
  };
  const tell = (element, event) => {
    const [first, ...lines] = details.get(element).split("\n");
    tip.replaceChildren();
    tip.appendChild(page.createElement("b")).textContent = first;
    lines.forEach((line) => {
      const row = tip.appendChild(page.createElement("div")), colon = line.indexOf(": "), name = colon < 0 ? 0 : colon + 2;
      row.appendChild(page.createElement("i")).textContent = line.slice(0, name);
      row.append(line.slice(name));
    });
    tip.hidden = false;
    place(event);
  };

  let pinned = null;
  const stepsOf = (chain) => all(`.lg-step[data-chain="${chain}"]`).map((g) => g.dataset.step);
  const focus = (steps) => {
    picture.classList.toggle("focus", steps !== null);
    all(".lg-on").forEach((e) => e.classList.remove("lg-on"));
    if (steps === null) return;
    const wanted = new Set(steps), stops = new Set(), chains = new Set();
    all("[data-step]").filter((e) => wanted.has(e.dataset.step)).forEach((e) => {
      e.classList.add("lg-on");
      words(e.dataset.stops).forEach((p) => stops.add(p));
      if (e.dataset.chain) chains.add(e.dataset.chain);
    });
    all(".lg-stop").forEach((e) => e.classList.toggle("lg-on", stops.has(e.dataset.position)));
    all(".lg-chip").forEach((e) => e.classList.toggle("lg-on", chains.has(e.dataset.chain)));
    all(".lg-row").forEach((e) => e.classList.toggle("lg-on", words(e.dataset.steps).some((s) => wanted.has(s))));
  };
  const show = () => {
    page.querySelectorAll("[data-focus]").forEach((b) => b.setAttribute("aria-pressed", String(!!pinned && pinned.by === b)));
    page.querySelectorAll(".pick").forEach((c) => c.classList.toggle("on", !!pinned && c.contains(pinned.by)));
    page.getElementById("clear").hidden = !pinned;
    focus(pinned && pinned.steps);
  };
  const pin = (by, steps) => {
    pinned = pinned && pinned.by === by ? null : { by, steps };
    show();
  };
  const chainOf = (steps) => {
    const card = [...page.querySelectorAll(".pick [data-focus]")].find((b) => words(b.dataset.focus).some((s) => steps.includes(s)));
    return card ? [...steps, ...words(card.dataset.focus)] : steps;
  };
  const button = (chain) => page.querySelector(`.chains [data-focus="${chain}"]`);

  details.forEach((_, element) => {
    element.addEventListener("pointerenter", (event) => {
      tell(element, event);
      if (pinned) return;
      if (element.dataset.chain) focus(stepsOf(element.dataset.chain));
      else if (words(element.dataset.steps).length) focus(chainOf(words(element.dataset.steps)));
    });
    element.addEventListener("pointermove", place);
    element.addEventListener("pointerleave", () => {
      tip.hidden = true;
      if (!pinned) focus(null);
    });
  });
  all(".lg-step, .lg-chip").forEach((element) =>
    element.addEventListener("click", () => pin(button(element.dataset.chain), stepsOf(element.dataset.chain))));
  page.querySelectorAll(".chains [data-focus]").forEach((b) => {
    b.addEventListener("click", () => pin(b, stepsOf(b.dataset.focus)));
    b.addEventListener("pointerenter", () => pinned || focus(stepsOf(b.dataset.focus)));
    b.addEventListener("pointerleave", () => pinned || focus(null));
  });
  page.querySelectorAll(".pick [data-focus]").forEach((b) => b.addEventListener("click", () => {
    pin(b, words(b.dataset.focus));
    if (pinned) picture.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }));
  page.getElementById("clear").addEventListener("click", () => { pinned = null; show(); });
  page.addEventListener("keydown", (event) => { if (event.key === "Escape") { pinned = null; show(); tip.hidden = true; } });

  const refused = page.getElementById("refused"), least = page.getElementById("least");
  if (refused) refused.addEventListener("change", () => picture.classList.toggle("no-refused", !refused.checked));
  if (least) least.addEventListener("input", () => {
    page.getElementById("least-out").textContent = Number(least.value).toFixed(2);
    const weak = new Set(all(".lg-step").filter((g) => Number(g.dataset.score) < Number(least.value)).map((g) => g.dataset.step));
    all("[data-step]").forEach((e) => e.classList.toggle("lg-off", weak.has(e.dataset.step)));
  });
  const scroll = picture.parentNode;
  scroll.scrollLeft = scroll.scrollWidth;
})();
