// The picture: before and after with a line between them, zoom, marks of hints; by mouse, touch and keys.

const [MARK, NEAR] = [8, 18]; // CSS pixels: the radius of a hint's mark; how far from a mark or the line a finger may land
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ZOOMS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 };
const distance = (one, two) => Math.hypot(one[0] - two[0], one[1] - two[1]);
const within = (value, most) => Math.min(Math.max(value, 0), most);

/**
 * Shows the page's `state` on a canvas: { photo, split, tool, radius, chosen, pending }. Calls, for what a person does,
 * on.place(points), on.choose(number), on.move(number, point), on.split(part), on.remove() and on.zoom().
 */
export class View {
  constructor(canvas, state, on) {
    Object.assign(this, { canvas, state, on, zoom: 1, center: [0.5, 0.5], cross: [0.5, 0.5], fingers: new Map() });
    const acts = { pointerdown: this.press, pointermove: this.drag, pointerup: this.release, pointercancel: this.release };
    for (const [name, act] of Object.entries({ ...acts, keydown: this.key, wheel: this.wheel, blur: this.draw })) {
      canvas.addEventListener(name, (event) => this.state.photo && act.call(this, event), { passive: false });
    }
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  get size() {
    return [this.state.photo.width, this.state.photo.height];
  }

  /** Where the photograph is: left and top in CSS pixels, and how many of them one of its pixels takes. */
  get place() {
    const sides = [this.canvas.clientWidth, this.canvas.clientHeight];
    const scale = Math.min(...sides.map((side, i) => side / this.size[i])) * this.zoom;
    return [...sides.map((side, i) => side / 2 - this.center[i] * this.size[i] * scale), scale];
  }

  lineAt = () => this.toScreen([this.state.split * this.size[0], 0])[0];

  toScreen = ([x, y]) => [this.place[0] + x * this.place[2], this.place[1] + y * this.place[2]];
  /** The place of the photograph under a point of the canvas, in tenths of a pixel and inside it. */
  toPhoto = (at) => at.map((value, i) => within(Math.round((10 * (value - this.place[i])) / this.place[2]) / 10, this.size[i] - 1));

  /** Zoom; what is at a point of the canvas stays there. */
  zoomBy(factor, at = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), 40);
    const held = at.map((value, i) => (value - this.place[i]) / this.place[2] / this.size[i]);
    this.show(this.center.map((value, i) => value + (held[i] - value) * (1 - this.zoom / zoom)), zoom);
  }

  show(center, zoom = this.zoom) {
    Object.assign(this, { zoom, center: zoom === 1 ? [0.5, 0.5] : center.map((value) => within(value, 1)) });
    this.draw();
    this.on.zoom();
  }

  wheel(event) {
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 400), [event.offsetX, event.offsetY]);
  }

  press({ pointerId, offsetX, offsetY, button }) {
    const at = [offsetX, offsetY];
    this.canvas.setPointerCapture(pointerId);
    this.fingers.set(pointerId, at);
    const { tool, photo } = this.state;
    const comparing = tool === "compare";
    const number = comparing ? -1 : photo.look.hints.findIndex(({ points: [first] }) => distance(this.toScreen(first), at) < NEAR);
    if (this.fingers.size > 1) this.action = null;
    else if (number >= 0) this.action = { kind: "move", number, at };
    else if (button === 1 || (comparing && this.zoom > 1 && Math.abs(offsetX - this.lineAt()) > NEAR)) this.action = { kind: "pan" };
    else this.action = comparing ? { kind: "split" } : { kind: "draw", points: [this.toPhoto(at)] };
    this.drag({ pointerId, offsetX, offsetY });
  }

  drag({ pointerId, offsetX, offsetY }) {
    const [at, former, { action }] = [[offsetX, offsetY], this.fingers.get(pointerId), this];
    if (!former) return;
    this.fingers.set(pointerId, at);
    const [other] = [...this.fingers].filter(([id]) => id !== pointerId).map(([, place]) => place);
    if (other) this.zoomBy(distance(at, other) / Math.max(1, distance(former, other)), at);
    else if (action?.kind === "pan") {
      this.show(this.center.map((value, i) => value - (at[i] - former[i]) / this.place[2] / this.size[i]));
    } else if (action?.kind === "split") {
      this.on.split(within((offsetX - this.place[0]) / this.place[2] / this.size[0], 1));
    } else if (action?.kind === "move" && distance(at, action.at) > 4) action.to = this.toPhoto(at);
    else if (action?.kind === "draw" && this.state.tool === "brush") {
      const point = this.toPhoto(at);
      if (distance(point, action.points.at(-1)) > this.state.radius / 3) action.points.push(point);
    }
    this.draw();
  }

  release({ pointerId, type }) {
    const { action } = this;
    if (!this.fingers.delete(pointerId) || !action) return;
    this.action = null;
    if (type === "pointercancel") this.draw();
    else if (action.kind === "draw") this.on.place(action.points);
    else if (action.kind === "move") action.to ? this.on.move(action.number, action.to) : this.on.choose(action.number);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key]?.map((part) => part * (event.shiftKey ? 0.002 : 0.02));
    if (step) this.cross = this.cross.map((value, i) => within(value + step[i], 0.999));
    else if (event.key === "Enter") this.on.place([this.cross.map((value, i) => Math.floor(value * this.size[i]))]);
    else if (event.key === "Delete" || event.key === "Backspace") this.on.remove();
    else if (ZOOMS[event.key]) this.zoomBy(ZOOMS[event.key]);
    else return;
    event.preventDefault();
    this.draw();
  }

  draw() {
    const { canvas, state, action } = this;
    const { photo, tool, radius, chosen, pending } = state;
    const [wide, high, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
    Object.assign(canvas, { width: Math.round(wide * ratio), height: Math.round(high * ratio) });
    const context = canvas.getContext("2d");
    if (!photo?.before) return;
    context.scale(ratio, ratio);
    context.imageSmoothingQuality = "high";
    const box = [this.place[0], this.place[1], ...this.size.map((side) => side * this.place[2])];
    context.drawImage(photo.before, ...box);
    context.save();
    context.beginPath();
    context.rect(this.lineAt(), 0, wide, high);
    context.clip();
    if (photo.after) context.drawImage(photo.after, ...box);
    context.restore();
    if (photo.after && tool === "compare") this.drawLine(context, high);
    photo.look.hints.forEach(({ points, radius, color }, number) => {
      const moved = action?.to && action.number === number ? [action.to] : points;
      this.drawMark(context, moved, radius, color, number === chosen);
    });
    const drawing = action?.points ?? pending;
    if (drawing) this.drawMark(context, drawing, tool === "brush" ? radius : 0, "#ffffff", true);
    if (!canvas.matches(":focus-visible")) return;
    const [x, y] = this.toScreen(this.cross.map((value, i) => value * this.size[i]));
    for (const [color, width] of [["#000", 5], ["#fff", 2]]) {
      context.fillStyle = color;
      context.fillRect(x - 15, y - width / 2, 30, width);
      context.fillRect(x - width / 2, y - 15, width, 30);
    }
  }

  drawLine(context, high) {
    const x = this.lineAt();
    for (const [color, width] of [["#0006", 4], ["#fff", 2]]) {
      dot(context, [x, high / 2], 18, color);
      context.fillRect(x - width / 2, 0, width, high);
    }
    Object.assign(context, { fillStyle: "#222", font: "16px system-ui", textAlign: "center", textBaseline: "middle" });
    context.fillText("↔", x, high / 2);
  }

  drawMark(context, points, radius, color, isChosen) {
    const places = points.map(this.toScreen);
    if (radius || places.length > 1) {
      const width = Math.max(2, 2 * radius * this.place[2]);
      Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: width, strokeStyle: color + "77" });
      context.beginPath();
      for (const place of [...places, places.at(-1)]) context.lineTo(...place);
      context.stroke();
    }
    const ring = MARK + (isChosen ? 3 : 1);
    for (const [size, fill] of [[ring + 1, "#000"], [ring, "#fff"], [MARK - 1, color]]) dot(context, places[0], size, fill);
  }
}

function dot(context, [x, y], radius, color) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}
