// A row for each object over time: where it is seen, how sure the tracker is, and what a person marked.
const GUTTER = 28, RULER = 22, ROW = 18, NEAR = 6; // pixels of the screen
const MOST_EXPECTED = 2; // at a time; browsers have six connections
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];

export default {
  template: `
    <div ref="outer" tabindex="0" role="slider" aria-label="Frame" aria-valuemin="0" :aria-valuemax="count - 1"
      :aria-valuenow="frame" :aria-valuetext="text" style="width: 100%; max-height: 190px; overflow-y: auto; touch-action: pan-y">
      <canvas ref="canvas" style="display: block; width: 100%; cursor: pointer" @pointerdown="down" @pointermove="move"
        @pointerup="up" @pointercancel="up" @wheel.prevent="wheel" @dblclick="fit"></canvas>
    </div>`,
  props: { count: Number, frames: String, frame: Number, chosen: Number, text: String, source: String },
  data() { return { from: 0, shown: this.count, expecting: 0, tracks: { recorded: 0, stale: null, restarts: [], cuts: [], rows: [], doubtful: 0.9 } }; },
  watch: {
    frame() { this.follow(); this.draw(); },
    chosen() { this.draw(); },
    source() { this.load(); },
  },
  mounted() {
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.$refs.outer);
    this.themed = new MutationObserver(() => this.draw());
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.load();
  },
  unmounted() { this.gone = true; this.resized.disconnect(); this.themed.disconnect(); },
  methods: {
    async load() {
      if (this.loading) { this.again = true; return; }
      this.loading = true;
      try {
        const answer = await fetch(this.source);
        if (answer.ok) this.tracks = await answer.json();
      } catch { // the network dropped: once more in a second
        this.again = !this.gone;
        await new Promise((done) => setTimeout(done, 1000));
      }
      this.loading = false;
      this.draw();
      if (this.again) { this.again = false; this.load(); }
    },
    x(frame) { return GUTTER + (frame - this.from) / this.shown * (this.width - GUTTER); },
    at(event) {
      const place = this.$refs.canvas.getBoundingClientRect();
      const x = event.clientX - place.left, y = event.clientY - place.top;
      const frame = Math.floor(this.from + (x - GUTTER) / (this.width - GUTTER) * this.shown);
      return { x, frame: Math.min(Math.max(0, frame), this.count - 1), row: this.tracks.rows[Math.floor((y - RULER) / ROW)] };
    },
    marks(row) {
      const text = (what, frame) => `Object ${row.key}: ${what} in frame ${frame}`;
      return [{ frame: row.first, kind: "first", key: row.key, text: text("begins", row.first) },
        ...row.corrections.map((frame) => ({ frame, kind: "correction", key: row.key, text: text("corrected", frame) }))];
    },
    // The mark at a place: an object's in its row, else one of those that all rows share.
    markAt(x, row) {
      const { restarts, cuts } = this.tracks;
      const shared = [...cuts.map((frame) => ({ frame, key: null, text: `Another shot begins in frame ${frame}` })),
        ...restarts.map((frame) => ({ frame, key: null, text: `Tracking continued from frame ${frame}` }))];
      const middle = (mark) => (this.x(mark.frame) + this.x(mark.frame + 1)) / 2;
      return (row ? this.marks(row) : shared).find((each) => x >= GUTTER && Math.abs(middle(each) - x) < NEAR);
    },
    fit() { this.from = 0; this.shown = this.count; this.draw(); },
    follow() {
      if (this.dragged) return;
      if (this.frame < this.from || this.frame >= this.from + this.shown) this.pan(this.frame - this.from - this.shown / 2);
    },
    pan(frames) { this.from = Math.min(Math.max(0, this.from + frames), this.count - this.shown); },
    wheel(event) {
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        this.pan((event.deltaX || event.deltaY) / (this.width - GUTTER) * this.shown);
        this.draw();
      } else this.zoom(Math.exp(event.deltaY / 400), Math.max(0, (this.at(event).x - GUTTER) / (this.width - GUTTER)));
    },
    // Around a place in the width from 0 to 1, by default the frame that is looked at.
    zoom(factor, share = (this.frame + 0.5 - this.from) / this.shown) {
      const shown = Math.min(Math.max(Math.min(20, this.count), this.shown * factor), this.count);
      const from = this.from + share * (this.shown - shown);
      this.shown = shown;
      this.from = Math.min(Math.max(0, from), this.count - shown);
      this.draw();
    },
    down(event) {
      if (event.button !== 0) return;
      this.$refs.canvas.setPointerCapture(event.pointerId);
      this.dragged = true;
      clearTimeout(this.later);
      const { x, frame, row } = this.at(event);
      if (row && x < GUTTER) { this.$emit("go", { frame: this.frame, key: row.key }); return; }
      const mark = this.markAt(x, row);
      this.go(mark ? { frame: mark.frame, key: mark.key } : { frame, key: null });
    },
    // The frame is asked for at once, not only when the page's answer makes the browser show it.
    go(where) {
      if (where.frame !== this.frame) (this.coming = new Image()).src = `${this.frames}/${where.frame}.jpg`;
      this.$emit("go", where);
    },
    move(event) {
      const { x, frame, row } = this.at(event);
      if (this.dragged) { this.spaced(() => { if (frame !== this.frame) this.go({ frame, key: null }); }); return; }
      const mark = this.markAt(x, row);
      this.$refs.canvas.title = mark?.text ?? "";
      this.spaced(() => this.expect(mark?.frame ?? frame));
    },
    // A press is likely where the mouse comes near: that frame is prepared.
    expect(frame) {
      if (frame === this.expected || frame === this.frame) return;
      // On a slow connection the browser must keep connections for the frame itself.
      if (this.expecting >= MOST_EXPECTED) { this.later = setTimeout(() => this.expect(frame), 50); return; }
      this.expected = frame;
      this.expecting += 1;
      fetch(`${this.frames}/${frame}/expected`, { method: "POST" }).catch(() => {}).finally(() => { this.expecting -= 1; });
    },
    // At most every 50 ms, or the browser would ask for the next frame before it has shown one; the last one always.
    spaced(act) {
      clearTimeout(this.later);
      const wait = (this.said ?? 0) + 50 - performance.now();
      const now = () => { this.said = performance.now(); act(); };
      if (wait > 0) this.later = setTimeout(now, wait); else now();
    },
    up() { this.dragged = false; },
    draw() {
      const canvas = this.$refs.canvas, ratio = window.devicePixelRatio || 1, { rows, recorded, stale, restarts, cuts, doubtful } = this.tracks;
      this.width = this.$refs.outer.clientWidth;
      const height = RULER + ROW * rows.length + 2;
      canvas.width = Math.round(this.width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
      const pen = canvas.getContext("2d"), ink = getComputedStyle(this.$refs.outer).color;
      pen.scale(ratio, ratio);
      pen.font = "11px system-ui, sans-serif";
      const area = (a, b, y, high) => pen.fillRect(Math.max(GUTTER, this.x(a)), y, Math.min(this.width, this.x(b)) - Math.max(GUTTER, this.x(a)), high);
      pen.fillStyle = ink;
      pen.globalAlpha = 0.1;
      area(0, this.count, RULER - 6, 4);
      pen.globalAlpha = 0.6;
      area(0, recorded, RULER - 6, 4);
      const step = STEPS.find((each) => each / this.shown * (this.width - GUTTER) > 60) ?? STEPS.at(-1);
      pen.globalAlpha = 0.8;
      for (let tick = Math.ceil(this.from / step) * step; tick < this.from + this.shown; tick += step) {
        pen.fillText(String(tick), this.x(tick) + 2, 10);
        pen.fillRect(this.x(tick), 4, 1, RULER - 10);
      }
      rows.forEach((row, index) => this.row(pen, row, RULER + ROW * index, { ink, area, doubtful }));
      pen.globalAlpha = 1;
      if (stale !== null && recorded > stale) this.hatch(pen, Math.max(GUTTER, this.x(stale)), this.x(recorded), height, ink);
      pen.fillStyle = ink;
      pen.globalAlpha = 0.7;
      for (const frame of cuts) if (this.x(frame) >= GUTTER) for (let y = 2; y < height; y += 6) pen.fillRect(this.x(frame) - 1, y, 2, 3);
      pen.globalAlpha = 0.5;
      for (const frame of restarts) if (this.x(frame) >= GUTTER) pen.fillRect((this.x(frame) + this.x(frame + 1)) / 2, RULER - 8, 1, height);
      pen.globalAlpha = 1;
      const left = this.x(this.frame), wide = Math.max(2, this.x(this.frame + 1) - left);
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      if (left >= GUTTER - 1) pen.strokeRect(left, 1, wide, height - 2);
    },
    row(pen, row, y, { ink, area, doubtful }) {
      const chosen = row.key === this.chosen;
      pen.globalAlpha = chosen ? 0.15 : 0.05;
      pen.fillStyle = ink;
      pen.fillRect(0, y, this.width, ROW - 1);
      pen.globalAlpha = 1;
      pen.font = `${chosen ? "bold " : ""}12px system-ui, sans-serif`;
      pen.fillText(String(row.key), 8, y + 13);
      for (const [first, end, score] of row.spans) {
        if (score === 0 || end < this.from || first > this.from + this.shown) continue;
        const high = Math.max(3, (ROW - 4) * score);
        pen.fillStyle = row.colour;
        pen.globalAlpha = score < doubtful ? 0.45 : 0.9;
        area(first, end, y + ROW - 2 - high, high);
        if (score < doubtful) { pen.globalAlpha = 1; pen.fillStyle = "#d97706"; area(first, end, y + 1, 3); }
      }
      pen.globalAlpha = 1;
      for (const { frame, kind } of this.marks(row)) {
        const x = (this.x(frame) + this.x(frame + 1)) / 2;
        if (x < GUTTER || x > this.width) continue;
        pen.fillStyle = ink;
        pen.beginPath();
        if (kind === "first") { pen.moveTo(x - 1, y + 1); pen.lineTo(x + 8, y + 5); pen.lineTo(x - 1, y + 9); pen.rect(x - 1, y + 1, 2, ROW - 3); }
        else { pen.moveTo(x, y + 3); pen.lineTo(x + 5, y + 8); pen.lineTo(x, y + 13); pen.lineTo(x - 5, y + 8); }
        pen.fill();
      }
    },
    hatch(pen, left, right, height, ink) {
      pen.save();
      pen.beginPath();
      pen.rect(left, RULER - 8, Math.max(0, right - left), height);
      pen.clip();
      pen.strokeStyle = ink;
      pen.globalAlpha = 0.45;
      for (let x = left - height; x < right; x += 8) { pen.beginPath(); pen.moveTo(x, height); pen.lineTo(x + height, 0); pen.stroke(); }
      pen.restore();
    },
  },
};
