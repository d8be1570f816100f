// The pair view: one pair at a time, decided with one key.

import { makeId, request, reviewer } from "./common.js";
import * as outbox from "./outbox.js";
import { load, loadPoints, prefetch, remember, setStanding } from "./pairs.js";
import { PairPage } from "./pair_page.js";

const AHEAD = 3;
const UNDO_KEY = `cleanmark-undo:${reviewer}`;
const readJson = (id) => JSON.parse(document.getElementById(id).textContent);
const element = (id) => document.getElementById(id);

const queue = readJson("queue-data");
const first = readJson("first-data");
const items = queue.items;
const progress = queue.progress;
const page = new PairPage();
let index = Math.max(0, items.findIndex((item) => item.pair_id === first?.pair_id));
let shown = null;

function countWaiting() {
  for (const parcel of outbox.waiting()) {
    for (const vote of parcel.body.votes) {
      const item = items.find((other) => other.pair_id === vote.pair_id);
      if (item) setMine(item, vote.decision);
    }
  }
}

function setMine(item, decision) {
  if ((item.mine === null) !== (decision === null)) progress.mine += decision === null ? -1 : 1;
  item.mine = decision;
}

async function show(number) {
  index = number;
  const item = items[index];
  shown = null;
  for (let ahead = 1; ahead <= AHEAD; ahead += 1) {
    if (items[index + ahead]) prefetch(items[index + ahead].pair_id);
  }
  try {
    const pair = await load(item.pair_id);
    if (items[index] !== item) return;
    shown = pair;
    page.showPair(pair, item, index, items.length, progress);
    keepAddress(item);
    loadPoints(item.pair_id).then((points) => { if (shown === pair) page.viewer.setPoints(points); }, () => {});
    if (item.mine !== null) refresh(item);
  } catch (error) {
    page.tell(`This pair could not be loaded: ${error.message}`);
  }
}

async function refresh(item) {
  if (outbox.waiting().length) return;
  const pair = await request("GET", `/api/pairs/${item.pair_id}`).catch(() => null);
  if (pair === null || outbox.waiting().length) return;
  await setStanding(pair.standing);
  if (items[index] === item) page.showStanding(pair.standing, item);
}

function keepAddress(item) {
  const address = new URL(location.href);
  address.searchParams.set("pair", item.pair_id);
  history.replaceState(null, "", address);
}

function answer(decision) {
  if (shown === null || page.isFinished) return;
  if (!page.viewer.isReady) {
    page.tell("Still loading");
    return;
  }
  const item = items[index];
  pushUndo({ pair_id: item.pair_id, before: item.mine, digest: shown.evidence.digest });
  outbox.post([outbox.makeVote(item.pair_id, decision, shown.evidence.digest)]);
  setMine(item, decision);
  page.announce(`Recorded: ${decision}.`);
  page.pulse(decision);
  // Whoever settles disputes votes first, then sees who said what, on the same pair.
  if (element("show").value === "disputed") {
    page.showStanding(shown.standing, item);
    page.showCount(index, items.length, progress);
  } else advance();
}

function advance() {
  const isOpen = (item) => item.mine === null;
  if (element("show").value !== "undecided") {
    if (index + 1 < items.length) show(index + 1);
    else finish();
    return;
  }
  const after = items.findIndex((item, number) => number > index && isOpen(item));
  const next = after >= 0 ? after : items.findIndex(isOpen);
  if (next >= 0) show(next);
  else finish();
}

function finish() {
  shown = null;
  page.showFinished(element("show").value, items.length, progress);
}

async function undo() {
  const last = popUndo();
  if (!last) {
    page.tell("Nothing to undo");
    return;
  }
  outbox.post([outbox.makeVote(last.pair_id, last.before, last.digest)]);
  let number = items.findIndex((item) => item.pair_id === last.pair_id);
  if (number < 0) {
    const pair = await load(last.pair_id);
    items.unshift({ pair_id: last.pair_id, landmark_id: pair.landmark.landmark_id, title: pair.landmark.title, mine: pair.standing.mine });
    number = 0;
  }
  setMine(items[number], last.before);
  await show(number);
  page.tell(last.before === null ? "Taken back" : `Back to ${last.before}`);
}

function readUndo() {
  return JSON.parse(sessionStorage.getItem(UNDO_KEY) ?? "[]");
}

function pushUndo(entry) {
  sessionStorage.setItem(UNDO_KEY, JSON.stringify([...readUndo(), entry].slice(-200)));
}

function popUndo() {
  const entries = readUndo();
  const last = entries.pop();
  sessionStorage.setItem(UNDO_KEY, JSON.stringify(entries));
  return last;
}

function step(by) {
  if (page.isFinished) {
    if (by < 0 && items.length) show(items.length - 1);
    return;
  }
  const next = index + by;
  if (next >= items.length) finish();
  else if (next >= 0) show(next);
}

function nextClass() {
  const here = items[index]?.landmark_id;
  const next = items.findIndex((item, number) => number > index && item.landmark_id !== here);
  if (next >= 0) show(next);
  else page.tell("This is the last class");
}

async function settle(decision) {
  if (shown === null) return;
  const comment = element("settle-comment").value.trim() || null;
  const body = { event_id: makeId(), pair_id: shown.pair_id, decision, evidence_digest: shown.evidence.digest, comment };
  try {
    const recorded = await request("POST", "/api/adjudications", body);
    await setStanding(recorded.standings[0]);
    element("settle-comment").value = "";
    page.showStanding(recorded.standings[0], items[index]);
    page.tell(`Settled: ${decision}`);
  } catch (error) {
    page.tell(error.message);
  }
}

function choose(name, value) {
  const address = new URL("/review", location.href);
  address.searchParams.set("show", name === "show" ? value : "all");
  if (name === "landmark_id") address.searchParams.set("landmark_id", value);
  location.assign(address);
}

const KEYS = {
  s: () => answer("same"),
  d: () => answer("different"),
  u: () => answer("unsure"),
  z: undo,
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  j: () => step(-1),
  k: () => step(1),
  n: nextClass,
  l: () => page.nextMode(),
  "+": () => page.viewer.zoomIn(),
  "=": () => page.viewer.zoomIn(),
  "-": () => page.viewer.zoomOut(),
  0: () => page.viewer.fit(),
  c: () => element("class-link").click(),
  "?": () => element("help-dialog").showModal(),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || element("help-dialog").open) return;
  if (event.target.matches("input, select, textarea")) return;
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  // A key that is held down must not decide a hundred pairs.
  if (!action || (event.repeat && "sduz".includes(event.key.toLowerCase()))) return;
  event.preventDefault();
  action();
});

for (const button of document.querySelectorAll("[data-decision]")) {
  button.addEventListener("click", () => answer(button.dataset.decision));
}
for (const button of document.querySelectorAll("[data-settle]")) {
  button.addEventListener("click", () => settle(button.dataset.settle));
}
element("settle").addEventListener("submit", (event) => event.preventDefault());
element("back").addEventListener("click", () => step(-1));
element("forward").addEventListener("click", () => step(1));
element("undo").addEventListener("click", undo);
element("lines").addEventListener("click", () => page.nextMode());
element("help").addEventListener("click", () => element("help-dialog").showModal());
element("show").addEventListener("change", (event) => choose("show", event.target.value));
element("jump").addEventListener("change", (event) => choose("landmark_id", event.target.value));

outbox.on("recorded", (body, recorded) => {
  for (const standing of recorded.standings) {
    setStanding(standing);
    if (standing.state === "disputed") page.tellDispute(standing);
    if (items[index]?.pair_id === standing.pair_id && shown) page.showStanding(standing, items[index]);
  }
});
outbox.on("refused", (body, error) => page.tell(`Not recorded: ${error.message}`));

page.listClasses();
if (first) remember(first);
countWaiting();
if (items.length) show(index);
else finish();
