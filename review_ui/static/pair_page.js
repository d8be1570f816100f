// What the pair view shows, and nothing of what it does.

import { request } from "./common.js";
import { pictureUrl } from "./pairs.js";
import { Viewer } from "./viewer.js";

const element = (id) => document.getElementById(id);
const TOAST_MS = 2600;
const LINES_LABEL = { lines: "Lines", points: "Points", nothing: "Lines off" };

export class PairPage {
  constructor() {
    this.viewer = new Viewer(element("stage"));
    this.asked = document.querySelector(".asked");
    this.isFinished = false;
    this.labelMode();
  }

  showPair(pair, item, index, total, progress) {
    this.setFinished(false);
    this.showWords(pair);
    this.showCount(index, total, progress);
    const name = pair.query ? `Query ${pair.query.query_id}` : null;
    this.viewer.show(
      [
        pair.query && { url: pictureUrl(pair.query.picture_id), alt: name },
        { url: pictureUrl(pair.picture_id), alt: `Training photograph ${pair.image_id} of ${pair.landmark.title}` },
      ],
      pair.query?.box ?? null,
    );
    this.showStrip(pair);
    this.showStanding(pair.standing, item);
    document.title = `${pair.landmark.title} · Cleanmark review`;
    this.announce(`Pair ${index + 1} of ${total}. ${name ?? `Name ${pair.text_term}`}, ${pair.landmark.title}. ${element("inliers").textContent}.`);
  }

  showWords(pair) {
    const { evidence, landmark } = pair;
    element("title").textContent = landmark.title;
    const number = landmark.is_numbered ? ` class ${landmark.landmark_id} ·` : "";
    element("class-info").textContent = `${landmark.num_images.toLocaleString("en")} photographs ·${number}`;
    element("class-link").href = `/classes/${landmark.landmark_id}`;
    element("query-kind").textContent = pair.query ? "Query" : "Name";
    element("query-name").textContent = pair.query ? `${pair.query.query_id} · ${pair.eval_set}` : `of ${pair.eval_set}`;
    element("image-name").textContent = [pair.image_id, pair.credit].filter(Boolean).join(" · ");
    element("image-name").parentElement.title = element("image-name").textContent;
    const isSeen = evidence.num_inliers !== null;
    element("inliers").textContent = isSeen
      ? `${evidence.num_inliers} points agree · similarity ${evidence.similarity.toFixed(2)}`
      : "found by name";
    element("inliers").className = `tag ${evidence.verdict === "match" ? "strong" : "weak"}`;
    element("why").textContent = isSeen ? evidence.why : "Does this class show a landmark of the evaluation set?";
    this.asked.hidden = pair.query !== null;
    if (!pair.query) this.showName(pair);
  }

  showName(pair) {
    const strong = document.createElement("strong");
    const [before, found, after] = split(pair.landmark.title, pair.text_term);
    const mark = document.createElement("mark");
    mark.textContent = found;
    strong.append(before, mark, after);
    const note = document.createElement("span");
    note.className = "note";
    note.textContent = `“${pair.text_term}” is a name of ${pair.eval_set}. No photograph was compared.`;
    this.asked.replaceChildren(strong, note);
  }

  showCount(index, total, progress) {
    element("count").textContent = `${index + 1} of ${total} · ${progress.mine} of ${progress.total} decided`;
    element("progress").max = progress.total;
    element("progress").value = progress.mine;
  }

  showStrip(pair) {
    const thumbnails = pair.strip.map((photograph, number) => {
      const image = new Image();
      image.src = `${pictureUrl(photograph.picture_id)}/thumb`;
      image.alt = `Photograph ${number + 1} of this class`;
      image.loading = "lazy";
      if (photograph.credit) image.title = photograph.credit;
      const item = document.createElement("li");
      item.append(image);
      return item;
    });
    element("strip").replaceChildren(...thumbnails);
    element("strip").parentElement.hidden = thumbnails.length === 0;
  }

  showStanding(standing, item) {
    for (const button of document.querySelectorAll("[data-decision]")) {
      button.setAttribute("aria-pressed", String(button.dataset.decision === item.mine));
    }
    const isKnown = item.mine !== null && standing.others !== null;
    const said = isKnown ? standing.others.map((other) => `${other.reviewer}: ${other.decision}`) : [];
    if (isKnown && standing.adjudication) said.push(describeSettled(standing.adjudication));
    else if (isKnown && standing.state === "disputed") said.push("disputed");
    element("said").textContent = said.join(" · ");
    element("settle").hidden = !(isKnown && standing.may_adjudicate);
  }

  showFinished(filter, total, progress) {
    this.setFinished(true);
    const left = progress.total - progress.mine;
    element("finished-title").textContent = left ? "That is all of these" : "You have decided every pair";
    element("finished-text").textContent = left
      ? `${left} of all ${progress.total} pairs are left for you.`
      : `All ${progress.total} pairs. ${element("finished-text").dataset.whatNext}`;
    element("count").textContent = `${progress.mine} of ${progress.total} decided`;
    element("progress").max = progress.total;
    element("progress").value = progress.mine;
    element("finished").focus();
    this.announce(element("finished-title").textContent);
  }

  setFinished(isFinished) {
    this.isFinished = isFinished;
    document.body.classList.toggle("is-finished", isFinished);
    element("finished").hidden = !isFinished;
  }

  async listClasses() {
    const queue = await request("GET", "/api/queue").catch(() => null);
    const seen = new Set();
    for (const item of queue?.items ?? []) {
      if (seen.has(item.landmark_id)) continue;
      seen.add(item.landmark_id);
      element("jump").append(new Option(item.title, item.landmark_id));
    }
  }

  nextMode() {
    this.viewer.nextMode();
    this.labelMode();
  }

  labelMode() {
    element("lines-label").textContent = LINES_LABEL[this.viewer.mode];
  }

  pulse(decision) {
    const button = document.querySelector(`[data-decision="${decision}"]`);
    button.classList.remove("pulse");
    void button.offsetWidth;
    button.classList.add("pulse");
  }

  tellDispute(standing) {
    const against = standing.others.filter((other) => other.decision !== standing.mine);
    this.tell(`Disputed: ${against.map((other) => `${other.reviewer} says ${other.decision}`).join(", ")}`);
  }

  tell(words) {
    const toast = element("toast");
    toast.textContent = words;
    toast.classList.add("shown");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => toast.classList.remove("shown"), TOAST_MS);
  }

  announce(words) {
    element("announce").textContent = words;
  }
}

function describeSettled(adjudication) {
  const why = adjudication.comment ? ` (${adjudication.comment})` : "";
  return `settled by ${adjudication.reviewer}: ${adjudication.decision}${why}`;
}

function split(title, term) {
  const start = title.toLowerCase().indexOf(term.toLowerCase());
  if (start < 0) return [title, "", ""];
  const end = start + term.length;
  return [title.slice(0, start), title.slice(start, end), title.slice(end)];
}
