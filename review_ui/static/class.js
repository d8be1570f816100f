// The class view: decide the open pairs of a class at once, and take that back.

import * as outbox from "./outbox.js";

const element = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll("#cards li")];
let decided = [];

function decideOpen(decision) {
  decided = cards.filter((card) => card.dataset.mine === "");
  record(decision);
  element("at-once").hidden = true;
  element("class-done").hidden = false;
  element("class-done-text").textContent = `${decided.length} recorded as ${decision}.`;
  element("class-done").focus();
}

function takeBack() {
  record(null);
  element("class-done").hidden = true;
  element("at-once").hidden = false;
}

function record(decision) {
  const votes = decided.map((card) => outbox.makeVote(card.dataset.pair, decision, card.dataset.digest));
  for (let start = 0; start < votes.length; start += 500) outbox.post(votes.slice(start, start + 500), "class");
  for (const card of decided) {
    card.dataset.mine = decision ?? "";
    const word = card.querySelector(".word");
    word.className = `word ${decision ?? "open"}`;
    word.textContent = decision ?? "open";
  }
}

for (const button of document.querySelectorAll("[data-class-decision]")) {
  button.addEventListener("click", () => decideOpen(button.dataset.classDecision));
  // Until here a click would have been lost.
  button.disabled = false;
}
element("class-undo").addEventListener("click", takeBack);
outbox.on("recorded", () => {
  // What the policies would do is worked out by the server.
  if (outbox.waiting().length === 0) refreshOutcomes();
});
outbox.on("refused", (body, error) => {
  element("class-done-text").textContent = `Not recorded: ${error.message}`;
});

async function refreshOutcomes() {
  const response = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const section of [".hero", "section:has(#outcomes)", "section:has(#queries)"]) {
    const [old, now] = [document.querySelector(section), fresh.querySelector(section)];
    if (old && now) old.replaceWith(now);
  }
}
