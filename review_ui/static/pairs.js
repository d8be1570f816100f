// Pairs, fetched once and ahead of time, with their photographs.

import { request } from "./common.js";

const pairs = new Map();
const points = new Map();
const held = new Map();

export const pictureUrl = (pictureId) => `/pictures/${pictureId}`;

export function remember(pair) {
  pairs.set(pair.pair_id, Promise.resolve(pair));
}

export function load(pairId) {
  return fetchOnce(pairs, pairId, () => request("GET", `/api/pairs/${pairId}`));
}

export function loadPoints(pairId) {
  return fetchOnce(points, pairId, () => request("GET", `/api/pairs/${pairId}/points`));
}

// A page does not wait for these; what fails here is fetched again when it is needed.
export async function prefetch(pairId) {
  try {
    const pair = await load(pairId);
    for (const id of [pair.query?.picture_id, pair.picture_id]) if (id) hold(id);
    await loadPoints(pairId);
  } catch {
    // Shown when the pair is opened.
  }
}

export async function setStanding(standing) {
  const pair = await pairs.get(standing.pair_id);
  if (pair) pair.standing = standing;
}

function hold(pictureId) {
  if (held.has(pictureId)) return;
  const image = new Image();
  image.src = `${pictureUrl(pictureId)}/view`;
  held.set(pictureId, image);
}

function fetchOnce(cache, key, fetchIt) {
  if (!cache.has(key)) {
    const answer = fetchIt();
    cache.set(key, answer);
    answer.catch(() => cache.delete(key));
  }
  return cache.get(key);
}
