// Makes the pages quicker; each works without it. Choices are shown without loading the page again, charts tell their values
// at once and by the arrow keys, and the threshold has a slider.
"use strict";

const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
const said = document.createElement("div");
said.className = "said";
said.setAttribute("role", "status");
document.body.append(tip, said);

let loading = null;

/** Puts the main part of the page at `address` in place of this one's. Whatever goes wrong, the browser opens it itself. */
async function show(address, isNew) {
  loading?.abort();
  const mine = (loading = new AbortController());
  const main = document.querySelector("main");
  main.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { signal: mine.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    if (!fresh) throw new Error("no page");
    if (!answer.ok) return refused(main, fresh);
    const focused = placeOf(document.activeElement);
    // What is being typed meanwhile goes on.
    const typed = document.activeElement?.matches("form.choice input") ? document.activeElement.value : null;
    const opened = [...main.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
    document.title = page.title;
    main.replaceWith(fresh);
    if (isNew) history.pushState(null, "", address);
    for (const summary of fresh.querySelectorAll("details > summary")) {
      if (opened.includes(summary.textContent)) summary.parentElement.open = true;
    }
    enhance();
    const control = focused && fresh.querySelector(focused);
    control?.focus();
    if (control && typed !== null) control.value = typed;
    const verdict = fresh.querySelector(".verdict-line");
    said.textContent = verdict ? verdict.textContent : document.title;
  } catch (error) {
    if (error.name !== "AbortError") location.assign(address);
  }
}

/** Says why a choice can't be shown, and leaves the form as it is. */
function refused(main, fresh) {
  main.removeAttribute("aria-busy");
  main.querySelector(".refused")?.remove();
  const why = fresh.querySelector(".failed") ?? fresh;
  why.classList.add("refused");
  main.querySelector("form.choice").after(why);
  said.textContent = why.textContent;
}

/** How the control that has the focus is found again in a new page. */
function placeOf(control) {
  if (!control?.matches("form.choice *")) return null;
  if (control.dataset.of) return `form.choice [data-of="${CSS.escape(control.dataset.of)}"]`;
  return control.name ? `form.choice [name="${CSS.escape(control.name)}"]` : "form.choice button";
}

/** The address that a form leads to, without what was not chosen. */
function addressOf(form) {
  const chosen = [...new FormData(form)].filter(([, value]) => value !== "");
  const query = new URLSearchParams(chosen).toString();
  return form.getAttribute("action") + (query ? `?${query}` : "");
}

/** A slider beside the number of the threshold. */
function addSlider(number) {
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: 1, step: 0.01, value: number.value || number.placeholder || 0.5 });
  slider.dataset.of = number.name;
  slider.setAttribute("aria-label", `${number.closest("label").textContent.trim()} by slider`);
  slider.addEventListener("input", () => { number.value = slider.value; });
  number.addEventListener("input", () => { if (number.value) slider.value = number.value; });
  number.closest("label").after(slider);
}

function enhance() {
  for (const number of document.querySelectorAll('form.choice input[name="threshold"]')) addSlider(number);
  // The browser would show a title a second time.
  for (const title of document.querySelectorAll(".hit > title")) {
    title.parentElement.dataset.tip = title.textContent;
    title.remove();
  }
  // A chart that does not scroll is come to by the tab key too.
  for (const chart of document.querySelectorAll("svg:has(.hit)")) {
    if (!chart.closest(".scroll")) chart.setAttribute("tabindex", "0");
  }
  hide();
}

function hide() {
  tip.hidden = true;
  document.querySelector(".hit.on")?.classList.remove("on");
}

/** Shows what a place in a chart tells, beside it. */
function point(hit, speak) {
  hide();
  hit.classList.add("on");
  tip.textContent = hit.dataset.tip;
  tip.hidden = false;
  const at = hit.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const left = at.right + 8 + width > innerWidth ? at.left - 8 - width : at.right + 8;
  tip.style.left = `${Math.max(4, left) + scrollX}px`;
  tip.style.top = `${Math.max(4, Math.min(at.top, innerHeight - height - 4)) + scrollY}px`;
  if (speak) said.textContent = hit.dataset.tip;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form.choice");
  // One who types a date, a number or a text tells by Enter that it is whole.
  if (form && event.target.matches("select, [type=range]")) {
    show(addressOf(form), true);
  }
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.choice")) return;
  event.preventDefault();
  show(addressOf(event.target), true);
});

addEventListener("popstate", () => show(location.href, false));

document.addEventListener("pointerover", (event) => {
  const hit = event.target.closest?.(".hit[data-tip]");
  if (hit) point(hit, false);
  else if (!event.target.closest?.(".tip")) hide();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return hide();
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const first = document.querySelector("form.choice input, form.choice select");
    if (first) {
      event.preventDefault();
      first.focus();
    }
    return;
  }
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const chart = step && !typing && event.target.closest(".scroll, svg");
  const hits = chart ? [...chart.querySelectorAll(".hit[data-tip]")] : [];
  if (!hits.length) return;
  event.preventDefault();
  const now = hits.indexOf(chart.querySelector(".hit.on"));
  const next = now < 0 ? (step > 0 ? 0 : hits.length - 1) : now + step;
  const hit = hits[Math.max(0, Math.min(hits.length - 1, next))];
  hit.scrollIntoView({ block: "nearest", inline: "nearest" });
  point(hit, true);
});

document.addEventListener("focusout", hide);
enhance();
