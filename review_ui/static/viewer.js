// Two photographs that zoom and pan in step, with lines between the places that agree.

const MAX_ZOOM = 12;
const STEP = 1.25;
const FULL_FROM_ZOOM = 1.7;
const MAX_LINES = 48;
const MAX_DOTS = 160;
export const LINE_MODES = ["lines", "points", "nothing"];

export class Viewer {
  constructor(stage) {
    this.stage = stage;
    this.canvas = stage.querySelector("canvas");
    this.panels = [...stage.querySelectorAll(".panel")].map((element) => new Panel(element));
    this.points = null;
    this.box = null;
    this.mode = localStorage.getItem("cleanmark-lines") ?? "lines";
    this.fit();
    for (const panel of this.panels) {
      this.listen(panel);
      panel.image.addEventListener("load", () => this.draw());
    }
    new ResizeObserver(() => this.draw()).observe(stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  show(sources, box) {
    this.panels.forEach((panel, number) => panel.load(sources[number]));
    this.box = box;
    this.points = null;
    this.fit();
  }

  setPoints(points) {
    this.points = points && points.in_query.length ? points : null;
    // The first of the spread ones are spread themselves: lines end where dots are.
    this.shown = this.points ? spread(this.points.in_query, MAX_DOTS) : [];
    this.draw();
  }

  get isReady() {
    return this.panels.every((panel) => panel.isSettled);
  }

  nextMode() {
    this.mode = LINE_MODES[(LINE_MODES.indexOf(this.mode) + 1) % LINE_MODES.length];
    localStorage.setItem("cleanmark-lines", this.mode);
    this.draw();
  }

  fit() {
    this.zoom = 1;
    this.shift = { x: 0, y: 0 };
    this.draw();
  }

  zoomBy(factor, at = { x: 0, y: 0 }) {
    const zoom = Math.min(MAX_ZOOM, Math.max(1, this.zoom * factor));
    const ratio = zoom / this.zoom;
    this.shift = { x: at.x - (at.x - this.shift.x) * ratio, y: at.y - (at.y - this.shift.y) * ratio };
    this.zoom = zoom;
    if (zoom === 1) this.shift = { x: 0, y: 0 };
    this.draw();
  }

  zoomIn() {
    this.zoomBy(STEP);
  }

  zoomOut() {
    this.zoomBy(1 / STEP);
  }

  panBy(x, y) {
    const reach = this.panels[0].frame.getBoundingClientRect();
    const limit = (this.zoom - 1) / 2;
    this.shift.x = clamp(this.shift.x + x, limit * reach.width);
    this.shift.y = clamp(this.shift.y + y, limit * reach.height);
    this.draw();
  }

  listen(panel) {
    const { frame } = panel;
    const fingers = new Map();
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * 0.0016), fromCentre(frame, event));
    }, { passive: false });
    frame.addEventListener("dblclick", (event) => {
      if (this.zoom > 1) this.fit();
      else this.zoomBy(3, fromCentre(frame, event));
    });
    frame.addEventListener("pointerdown", (event) => {
      frame.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
    });
    frame.addEventListener("pointermove", (event) => this.follow(frame, fingers, event));
    for (const end of ["pointerup", "pointercancel"]) {
      frame.addEventListener(end, (event) => fingers.delete(event.pointerId));
    }
    frame.addEventListener("keydown", (event) => this.panByKey(event));
  }

  follow(frame, fingers, event) {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    if (fingers.size === 2) {
      const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
      const factor = distance(event, other) / Math.max(1, distance(before, other));
      this.zoomBy(factor, fromCentre(frame, middle(event, other)));
    }
    this.panBy((event.clientX - before.clientX) / fingers.size, (event.clientY - before.clientY) / fingers.size);
    fingers.set(event.pointerId, event);
  }

  panByKey(event) {
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (!step || this.zoom === 1) return;
    event.preventDefault();
    event.stopPropagation();
    this.panBy(...step);
  }

  draw() {
    for (const panel of this.panels) panel.place(this.zoom, this.shift);
    const { canvas } = this;
    const outer = this.stage.getBoundingClientRect();
    const density = devicePixelRatio;
    canvas.width = Math.round(outer.width * density);
    canvas.height = Math.round(outer.height * density);
    const pen = canvas.getContext("2d");
    pen.scale(density, density);
    pen.translate(-outer.left, -outer.top);
    if (this.box) this.drawBox(pen);
    if (this.points && this.mode !== "nothing") this.drawPoints(pen);
  }

  drawBox(pen) {
    const panel = this.panels[0];
    if (!panel.isShown) return;
    const [left, top, right, bottom] = this.box;
    const a = panel.toScreen([left, top]);
    const b = panel.toScreen([right, bottom]);
    pen.save();
    panel.clip(pen);
    for (const [width, colour] of [[4, "rgb(0 0 0 / 55%)"], [1.75, "#ffe9a8"]]) {
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.strokeRect(a.x, a.y, b.x - a.x, b.y - a.y);
    }
    pen.restore();
  }

  drawPoints(pen) {
    const [query, image] = this.panels;
    if (!query.isShown || !image.isShown) return;
    const ends = this.shown.map((number) => [
      query.toScreen(this.points.in_query[number]),
      image.toScreen(this.points.in_image[number]),
    ]);
    const colours = coloursByHeight(this.shown.map((number) => this.points.in_query[number]));
    if (this.mode === "lines") this.drawLines(pen, ends, colours);
    this.panels.forEach((panel, side) => {
      pen.save();
      panel.clip(pen);
      ends.forEach((both, number) => drawDot(pen, both[side], colours[number]));
      pen.restore();
    });
  }

  drawLines(pen, ends, colours) {
    const [query, image] = this.panels;
    pen.globalAlpha = 0.75;
    ends.slice(0, MAX_LINES).forEach(([a, b], number) => {
      if (!query.holds(a) || !image.holds(b)) return;
      pen.beginPath();
      pen.moveTo(a.x, a.y);
      pen.lineTo(b.x, b.y);
      pen.lineWidth = 1.25;
      pen.strokeStyle = colours[number];
      pen.stroke();
    });
    pen.globalAlpha = 1;
  }
}

class Panel {
  constructor(element) {
    this.frame = element.querySelector(".frame");
    this.image = element.querySelector("img");
    this.missing = element.querySelector(".missing");
    this.isSettled = true;
    this.image.addEventListener("load", () => this.settle(true));
    this.image.addEventListener("error", () => this.settle(false));
  }

  load(source) {
    this.source = source;
    this.isFull = false;
    this.missing.hidden = true;
    this.isSettled = source === null;
    this.image.classList.remove("ready");
    if (source === null) this.image.removeAttribute("src");
    else {
      this.image.src = `${source.url}/view`;
      this.image.alt = source.alt;
    }
  }

  settle(isLoaded) {
    this.isSettled = true;
    this.image.classList.toggle("ready", isLoaded);
    this.missing.hidden = isLoaded || this.source === null;
    this.missing.textContent = "This photograph cannot be read any more.";
  }

  get isShown() {
    return this.source && this.image.classList.contains("ready") && this.image.naturalWidth > 0;
  }

  place(zoom, shift) {
    if (!this.source || !this.image.naturalWidth) return;
    this.rect = this.frame.getBoundingClientRect();
    const { naturalWidth, naturalHeight } = this.image;
    const fit = Math.min(this.rect.width / naturalWidth, this.rect.height / naturalHeight);
    this.width = naturalWidth * fit * zoom;
    this.height = naturalHeight * fit * zoom;
    this.left = (this.rect.width - this.width) / 2 + shift.x;
    this.top = (this.rect.height - this.height) / 2 + shift.y;
    const { style } = this.image;
    style.width = `${this.width}px`;
    style.height = `${this.height}px`;
    style.transform = `translate(${this.left}px, ${this.top}px)`;
    if (zoom > FULL_FROM_ZOOM && !this.isFull) {
      this.isFull = true;
      this.image.src = `${this.source.url}/full`;
    }
  }

  toScreen([x, y]) {
    return { x: this.rect.left + this.left + x * this.width, y: this.rect.top + this.top + y * this.height };
  }

  holds({ x, y }) {
    const { left, right, top, bottom } = this.rect;
    return x >= left && x <= right && y >= top && y <= bottom;
  }

  clip(pen) {
    pen.beginPath();
    pen.rect(this.rect.left, this.rect.top, this.rect.width, this.rect.height);
    pen.clip();
  }
}

function drawDot(pen, { x, y }, colour) {
  pen.beginPath();
  pen.arc(x, y, 2.9, 0, 2 * Math.PI);
  pen.fillStyle = "rgb(0 0 0 / 60%)";
  pen.fill();
  pen.beginPath();
  pen.arc(x, y, 2, 0, 2 * Math.PI);
  pen.fillStyle = colour;
  pen.fill();
}

// Red at the top of the query, violet at its bottom: lines that cross out of order stand out.
function coloursByHeight(points) {
  const heights = points.map((point) => point[1]);
  const lowest = Math.min(...heights);
  const span = Math.max(1e-6, Math.max(...heights) - lowest);
  return heights.map((height) => `hsl(${Math.round((280 * (height - lowest)) / span)} 95% 62%)`);
}

// Farthest-point sampling (Gonzalez 1985): too many lines hide what they join.
function spread(points, count) {
  const chosen = [0];
  const gaps = points.map((point) => squaredDistance(point, points[0]));
  while (chosen.length < Math.min(count, points.length)) {
    const farthest = gaps.indexOf(Math.max(...gaps));
    gaps[farthest] = -1;
    chosen.push(farthest);
    points.forEach((point, number) => {
      gaps[number] = Math.min(gaps[number], squaredDistance(point, points[farthest]));
    });
  }
  return chosen;
}

const squaredDistance = (a, b) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2;
const clamp = (value, limit) => Math.min(limit, Math.max(-limit, value));
const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
const middle = (a, b) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });

function fromCentre(frame, { clientX, clientY }) {
  const { left, top, width, height } = frame.getBoundingClientRect();
  return { x: clientX - left - width / 2, y: clientY - top - height / 2 };
}
