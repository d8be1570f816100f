// Votes on their way. Each is written to this browser's storage before it is sent, and taken out
// when the server has answered that it is on disk: a reload or a lost connection loses nothing.
// Every vote has an id of its own, so sending one twice records it once.

import { Refusal, makeId, request, reviewer } from "./common.js";

const KEY = `cleanmark-outbox:${reviewer}`;
const RETRY_MS = [500, 1000, 2000, 5000];
const listeners = { recorded: [], refused: [] };
const saved = document.getElementById("saved");
let isSending = false;
let numFailures = 0;

export function on(kind, listener) {
  listeners[kind].push(listener);
}

export function waiting() {
  return JSON.parse(localStorage.getItem(KEY) ?? "[]");
}

export function makeVote(pairId, decision, evidenceDigest) {
  return { event_id: makeId(), pair_id: pairId, decision, evidence_digest: evidenceDigest };
}

export function post(votes, scope = "pair") {
  const parcel = { id: votes[0].event_id, url: "/api/votes", body: { scope, votes } };
  localStorage.setItem(KEY, JSON.stringify([...waiting(), parcel]));
  send();
}

export async function send() {
  if (isSending) return;
  isSending = true;
  for (let parcel = waiting()[0]; parcel !== undefined; parcel = waiting()[0]) {
    showState(numFailures ? "lost" : "sending");
    if (!(await deliver(parcel))) break;
  }
  isSending = false;
}

async function deliver(parcel) {
  try {
    const answer = await request("POST", parcel.url, parcel.body);
    numFailures = 0;
    takeOut(parcel);
    listeners.recorded.forEach((listener) => listener(parcel.body, answer));
  } catch (error) {
    const isFinal = error instanceof Refusal && [400, 404, 409, 413, 422].includes(error.status);
    if (!isFinal) {
      retryLater(error);
      return false;
    }
    takeOut(parcel);
    listeners.refused.forEach((listener) => listener(parcel.body, error));
  }
  if (waiting().length === 0) showState("saved");
  return true;
}

function retryLater(error) {
  numFailures += 1;
  showState(error instanceof Refusal && error.status < 500 ? "signed-out" : "lost");
  setTimeout(send, RETRY_MS[Math.min(numFailures, RETRY_MS.length) - 1]);
}

function takeOut(parcel) {
  localStorage.setItem(KEY, JSON.stringify(waiting().filter((other) => other.id !== parcel.id)));
}

function showState(state) {
  const count = waiting().length;
  saved.textContent = {
    saved: "Saved",
    sending: "Saving…",
    lost: `No connection, ${count} waiting`,
    "signed-out": `Reload to save ${count}`,
  }[state];
  saved.classList.toggle("waiting", state === "lost" || state === "signed-out");
}

addEventListener("online", send);
addEventListener("beforeunload", (event) => {
  if (numFailures && waiting().length) event.preventDefault();
});
send();
