// Runs inside a copy of a report and tells its parent what is wrong with the layout: one line per finding.
"use strict";
(() => {
  const findings = [];
  const find = (kind, what) => findings.push(kind + ": " + what.replace(/\s+/g, " ").slice(0, 160));
  const name = (e) => e.tagName.toLowerCase() + "." + (e.getAttribute("class") || "") + " '" + e.textContent.slice(0, 40) + "'";
  const width = document.documentElement.clientWidth;
  const hidden = (e) => {
    const thead = e.closest("thead");
    return thead && getComputedStyle(thead).position === "absolute";
  };
  const own = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());

  // What is not satisfied is neither folded nor green.
  const height = document.documentElement.scrollHeight;
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = "var(--good)";
  const good = getComputedStyle(probe).color;
  probe.remove();
  for (const e of document.querySelectorAll(".slos .state, .banner")) {
    if (!/violated|inconclusive|not assessed/.test(e.textContent) || e.matches(".banner.good")) continue;
    if (e.closest("details:not([open])")) find("not satisfied, but folded", name(e));
    const green = [e, ...e.querySelectorAll("h1, .sign")].some((x) => getComputedStyle(x).color === good);
    if (green) find("not satisfied, but green", name(e));
  }
  for (const e of document.querySelectorAll(".interval, .point")) {
    const row = e.closest("tr").querySelector(".state").className.split(" ").pop();
    if (!e.classList.contains(row)) find("a bar in another colour than its verdict", name(e.closest("tr")));
  }

  // Links within the page lead somewhere; identities are unique.
  for (const a of document.querySelectorAll("a[href^='#']")) {
    if (!document.getElementById(a.getAttribute("href").slice(1))) find("link without a target", name(a) + a.getAttribute("href"));
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => find("identity is not unique", id));

  // Structure for screen readers: landmarks, one first heading, headings without gaps, headers of tables.
  for (const tag of ["header", "main", "footer", "h1"]) {
    if (document.querySelectorAll("body " + tag).length !== 1) find("landmark or heading is missing or not alone", tag);
  }
  let level = 0;
  for (const h of document.querySelectorAll("h1, h2, h3, h4")) {
    const next = Number(h.tagName[1]);
    if (next > level + 1 && level) find("heading skips a level", name(h));
    level = next;
  }
  for (const th of document.querySelectorAll("th")) if (!th.scope) find("header without a scope", name(th));
  for (const row of document.querySelectorAll("tbody tr:not(.why)")) {
    const group = row.closest("tbody").querySelector("th");
    if (!row.querySelector("th") && !(group && group.rowSpan > 1) && !row.closest(".queried")) find("row without a header", name(row));
  }
  document.querySelectorAll("details").forEach((e) => (e.open = true));
  const all = [...document.querySelectorAll("body *")].filter((e) => e.getClientRects().length && !e.closest(".defs, .skip, .hidden, script"));

  // Nothing leaves the viewport, except inside what scrolls by itself.
  if (document.documentElement.scrollWidth > width) find("page overflows", document.documentElement.scrollWidth + " > " + width);
  for (const e of all) {
    const scroller = e.parentElement.closest(".scroll, pre");
    const box = e.getBoundingClientRect();
    if (!scroller && !hidden(e) && (box.left < -1 || box.right > width + 1)) find("leaves the viewport", name(e));
    const style = getComputedStyle(e);
    const scrolls = style.overflowX === "auto" || style.overflowX === "scroll" || style.overflowX === "hidden";
    if (!hidden(e) && !scrolls && e.clientWidth && !(e instanceof SVGElement) && e.scrollWidth > e.clientWidth + 1) find("overflows its box", name(e));
  }

  // Texts of a chart neither overlap nor leave it.
  const svgs = document.querySelectorAll("svg[role=img]");
  for (const svg of svgs) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((e) => [e, e.getBoundingClientRect()]);
    texts.forEach(([e, a], i) => {
      if (a.left < frame.left - 3 || a.right > frame.right + 3 || a.top < frame.top - 3 || a.bottom > frame.bottom + 3) find("text leaves its chart", name(e));
      if (a.height < 8) find("text is too small", name(e));
      for (const [f, b] of texts.slice(i + 1)) {
        const overlap = Math.min(Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
        // The boxes of lines hold room above and below the letters.
        if (overlap > 3.5) find("texts overlap", name(e) + " and " + name(f));
      }
    });
    const labels = svg.getAttribute("aria-labelledby").split(" ").map((id) => document.getElementById(id));
    if (labels.some((l) => !l || !l.textContent.trim())) find("chart without a label", svg.outerHTML);
  }

  // Texts that stand side by side in HTML do not run into one another.
  const leaves = all.filter((e) => own(e) && !(e instanceof SVGElement) && !hidden(e));
  for (const e of leaves) {
    for (const f of [e.nextElementSibling].filter((f) => f && own(f))) {
      const [a, b] = [e.getClientRects(), f.getClientRects()];
      for (const x of a) for (const y of b) {
        const overlap = Math.min(Math.min(x.right, y.right) - Math.max(x.left, y.left), Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top));
        if (overlap > 3.5) find("texts overlap", name(e) + " and " + name(f));
      }
    }
  }

  // Contrast as WCAG 2 measures it: 4.5 for text, 3 for curves.
  const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const luminance = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  for (const e of all.filter(own)) {
    const style = getComputedStyle(e);
    const color = rgb(e instanceof SVGElement ? style.fill : style.color);
    if (contrast(color, behind(e)) < 4.5) find("too little contrast", name(e) + " " + color + " on " + behind(e));
  }
  for (const e of document.querySelectorAll("svg[role=img] g[class^=s] > path, svg path.limit")) {
    if (contrast(rgb(getComputedStyle(e).stroke), behind(e)) < 3) find("too little contrast", name(e.closest("g") || e));
  }

  // Nothing of the document became an element, and nothing was asked for.
  if (document.scripts.length !== 1 || document.images.length || document.querySelector("iframe, object, link, form")) find("foreign element", document.title);
  for (const entry of performance.getEntriesByType("resource")) find("request", entry.name);

  const id = location.hash.slice(1);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  parent.postMessage({ id, width: innerWidth, dark, height, charts: svgs.length, findings: [...new Set(findings)].slice(0, 20) }, "*");
})();
