// The picture: before and after with a line between them, zoom, marks of hints; mouse, touch and keys.

const MARK = 8; // CSS pixels: the radius of a hint's mark
const NEAR = 16; // CSS pixels: how far from a mark or the line a finger may land

/**
 * A canvas that shows a photograph. state: { photo, before, after, split, tool, radius, chosen, pending } of the page.
 * on: { place(points), choose(number), move(number, point), split(part), remove(), settle() }, called for what a person does.
 */
export class View {
  constructor(canvas, state, on) {
    Object.assign(this, { canvas, state, on, zoom: 1, center: [0.5, 0.5], cross: [0.5, 0.5], fingers: new Map() });
    const listen = (name, act) => canvas.addEventListener(name, act, { passive: false });
    listen("pointerdown", (event) => this.press(event));
    listen("pointermove", (event) => this.drag(event));
    listen("pointerup", (event) => this.release(event));
    listen("pointercancel", (event) => this.release(event));
    listen("keydown", (event) => this.key(event));
    listen("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 400), [event.offsetX, event.offsetY]);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Where the photograph is on the canvas, in CSS pixels: left, top, and how many of them one of its pixels takes. */
  get place() {
    const { clientWidth, clientHeight } = this.canvas;
    const { width, height } = this.state.photo;
    const scale = Math.min(clientWidth / width, clientHeight / height) * this.zoom;
    return [clientWidth / 2 - this.center[0] * width * scale, clientHeight / 2 - this.center[1] * height * scale, scale];
  }

  toScreen([x, y]) {
    const [left, top, scale] = this.place;
    return [left + x * scale, top + y * scale];
  }

  /** The place of the photograph under a point of the canvas, in tenths of a pixel and inside it. */
  toPhoto([x, y]) {
    const [left, top, scale] = this.place;
    const { width, height } = this.state.photo;
    const inside = (value, most) => Math.min(Math.max(Math.round(value * 10) / 10, 0), most - 1);
    return [inside((x - left) / scale, width), inside((y - top) / scale, height)];
  }

  zoomBy(factor, [x, y] = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    if (!this.state.photo?.width) return;
    const [left, top, scale] = this.place;
    const { width, height } = this.state.photo;
    const held = [(x - left) / scale / width, (y - top) / scale / height];
    const zoom = Math.min(Math.max(this.zoom * factor, 1), 40);
    const part = 1 - this.zoom / zoom;
    this.move(this.center.map((value, i) => value + (held[i] - value) * part), zoom);
  }

  move(center, zoom = this.zoom) {
    this.zoom = zoom;
    this.center = zoom === 1 ? [0.5, 0.5] : center.map((value) => Math.min(Math.max(value, 0), 1));
    this.draw();
    this.on.settle();
  }

  press(event) {
    if (!this.state.photo?.width) return;
    const at = [event.offsetX, event.offsetY];
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, at);
    if (this.fingers.size > 1) return void (this.action = null);
    const { tool, photo } = this.state;
    const distances = photo.look.hints.map(({ points: [first] }) => distance(this.toScreen(first), at));
    const nearest = distances.indexOf(Math.min(...distances));
    if (tool !== "compare" && distances[nearest] < NEAR) this.action = { kind: "move", number: nearest, at };
    else if (event.button === 1 || (tool === "compare" && this.zoom > 1 && Math.abs(at[0] - this.splitAt) > NEAR)) {
      this.action = { kind: "pan", at };
    } else if (tool === "compare") this.action = { kind: "split" };
    else this.action = { kind: "draw", points: [this.toPhoto(at)] };
    this.drag(event);
  }

  drag(event) {
    const at = [event.offsetX, event.offsetY];
    const former = this.fingers.get(event.pointerId);
    if (!former) return;
    this.fingers.set(event.pointerId, at);
    const { action } = this;
    const { width, height } = this.state.photo;
    const [, , scale] = this.place;
    const pan = () => this.move([this.center[0] - (at[0] - former[0]) / scale / width, this.center[1] - (at[1] - former[1]) / scale / height]);
    if (this.fingers.size === 2) {
      const [other] = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      this.zoomBy(distance(at, other) / Math.max(1, distance(former, other)), at);
    } else if (action?.kind === "pan") pan();
    else if (action?.kind === "split") this.on.split(this.partAt(at[0]));
    else if (action?.kind === "move" && distance(at, action.at) > 4) {
      action.to = this.toPhoto(at);
      this.draw();
    } else if (action?.kind === "draw" && this.state.tool === "brush") {
      const point = this.toPhoto(at);
      if (distance(point, action.points.at(-1)) > this.state.radius / 3) action.points.push(point);
      this.draw();
    }
  }

  release(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    const { action } = this;
    this.action = null;
    if (event.type === "pointercancel" || !action) return this.draw();
    if (action.kind === "draw") this.on.place(action.points);
    if (action.kind === "move" && action.to) this.on.move(action.number, action.to);
    else if (action.kind === "move") this.on.choose(action.number);
    this.draw();
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { photo } = this.state;
    if (!photo?.width || event.ctrlKey || event.metaKey) return;
    if (steps[event.key]) {
      const step = event.shiftKey ? 0.002 : 0.02;
      this.cross = this.cross.map((value, i) => Math.min(Math.max(value + steps[event.key][i] * step, 0), 0.999));
    } else if (event.key === "Enter") {
      this.on.place([[photo.width, photo.height].map((side, i) => Math.floor(this.cross[i] * side))]);
    } else if (event.key === "Delete" || event.key === "Backspace") this.on.remove();
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else return;
    event.preventDefault();
    this.draw();
  }

  partAt = (x) => Math.min(Math.max((x - this.place[0]) / (this.place[2] * this.state.photo.width), 0), 1);

  /** Where the line is, in CSS pixels. */
  get splitAt() {
    return this.place[0] + this.state.split * this.place[2] * this.state.photo.width;
  }

  draw() {
    const { canvas, state, action } = this;
    const ratio = devicePixelRatio;
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(wide * ratio)) canvas.width = Math.round(wide * ratio);
    if (canvas.height !== Math.round(high * ratio)) canvas.height = Math.round(high * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, wide, high);
    const { photo } = state;
    if (!photo?.before) return;
    const [left, top, scale] = this.place;
    const [width, height] = [photo.width * scale, photo.height * scale];
    context.imageSmoothingQuality = "high";
    context.drawImage(photo.before, left, top, width, height);
    if (photo.after) {
      context.save();
      context.beginPath();
      context.rect(this.splitAt, 0, wide, high);
      context.clip();
      context.drawImage(photo.after, left, top, width, height);
      context.restore();
      if (state.tool === "compare") this.drawLine(context, high);
    }
    const stroke = (points, radius, color, chosen) => this.drawMark(context, points.map((point) => this.toScreen(point)), radius * scale, color, chosen);
    photo.look.hints.forEach(({ points, radius, color }, number) => {
      const moved = action?.kind === "move" && action.number === number && action.to ? [action.to] : points;
      stroke(moved, radius, color, number === state.chosen);
    });
    const pending = action?.kind === "draw" ? action.points : state.pending;
    if (pending) stroke(pending, state.tool === "brush" ? state.radius : 0, null, true);
    if (document.activeElement === canvas && canvas.matches(":focus-visible")) {
      const cross = this.toScreen([this.cross[0] * photo.width, this.cross[1] * photo.height]);
      for (const [color, size] of [["#000", 5], ["#fff", 2]]) lines(context, cross, 14, color, size);
    }
  }

  drawLine(context, high) {
    const x = this.splitAt;
    for (const [color, size] of [["#0008", 4], ["#fff", 2]]) {
      Object.assign(context, { strokeStyle: color, lineWidth: size });
      context.strokeRect(x, -9, 0, high + 18);
    }
    context.fillStyle = "#fff";
    context.beginPath();
    context.arc(x, high / 2, 18, 0, 7);
    context.fill();
    context.fillStyle = "#222";
    context.font = "16px system-ui";
    Object.assign(context, { textAlign: "center", textBaseline: "middle" });
    context.fillText("↔", x, high / 2);
  }

  drawMark(context, points, radius, color, chosen) {
    if (points.length > 1 || radius) {
      Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: Math.max(2, 2 * radius) });
      context.strokeStyle = color ? color + "66" : "#ffffff66";
      context.beginPath();
      points.forEach((point) => context.lineTo(...point));
      context.lineTo(...points.at(-1));
      context.stroke();
    }
    for (const [size, fill] of [[MARK + (chosen ? 4 : 2), "#000"], [MARK + (chosen ? 3 : 1), "#fff"], [MARK - 1, color ?? "#888"]]) {
      context.fillStyle = fill;
      context.beginPath();
      context.arc(...points[0], size, 0, 7);
      context.fill();
    }
  }
}

const distance = (one, two) => Math.hypot(one[0] - two[0], one[1] - two[1]);

function lines(context, [x, y], size, color, width) {
  Object.assign(context, { strokeStyle: color, lineWidth: width });
  context.strokeRect(x - size, y, 2 * size, 0);
  context.strokeRect(x, y - size, 0, 2 * size);
}
