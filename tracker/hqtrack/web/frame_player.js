// Plays frames: fetches several at a time, decodes them off the main thread, and draws them with their masks in time.
const BATCH = 6, AHEAD = 18; // frames
const REPORT = 120; // ms from one report to the next
const STALLED = 700; // ms without a frame after which the time stands still
const WIDEST = 1920, ROUNDED = 64; // pixels

export default {
  template: `<canvas style="position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none" aria-hidden="true"></canvas>`,
  props: {
    source: String, count: Number, rate: Number, width: Number, height: Number, run: Number, first: Number,
    opacity: Number, masked: Boolean, chosen: Number, hidden: Array,
  },
  watch: {
    run(now) { if (now) this.play(now); else this.pause(); },
    opacity() { this.paint(); },
    masked() { this.paint(); },
    chosen() { this.paint(); },
    hidden() { this.paint(); },
  },
  mounted() {
    this.stops = () => this.pause();
    // Who presses means the frame that is seen.
    this.view = this.$el.closest("[role=application]");
    this.view.addEventListener("pointerdown", this.stops, true);
  },
  unmounted() { this.turn = null; this.view.removeEventListener("pointerdown", this.stops, true); },
  methods: {
    play(run) {
      const turn = { run, next: this.first, step: 1, began: null, from: this.first, ready: [], drawn: performance.now(), reported: 0 };
      this.pause();
      this.turn = turn;
      this.fetchOn(turn);
      requestAnimationFrame((now) => this.tick(turn, now));
    },
    pause() {
      const turn = this.turn;
      this.turn = null;
      if (!turn) return;
      turn.ready.forEach((each) => each.image?.close());
      this.report(turn, false);
    },
    report(turn, playing) {
      const frame = this.seen?.run === turn.run ? this.seen.frame : turn.from;
      turn.reported = performance.now();
      this.$el.dispatchEvent(new CustomEvent("frameplayed", { bubbles: true, detail: { frame } }));
      this.$emit("played", { frame, playing, run: turn.run });
    },
    async fetchOn(turn) {
      let before = null;
      const last = this.count - 1;
      while (this.turn === turn && turn.next <= last) {
        if (turn.ready.length > AHEAD - BATCH) { await new Promise((done) => setTimeout(done, 15)); continue; }
        const asked = performance.now();
        try {
          const frames = await this.fetchFrames(turn);
          if (this.turn !== turn) return;
          turn.ready.push(...frames);
          if (frames.at(-1).frame === last) return;
          await before; // no more pictures than can be decoded
          before = Promise.all(frames.map((each) => each.decoded));
          // Where a frame takes longer than it is shown, only every second one is asked for, or fewer.
          const spent = (performance.now() - asked) / frames.length / 1000;
          turn.step = Math.min(Math.max(1, Math.ceil(spent * this.rate * 0.9)), Math.ceil(this.rate));
          // However late it is, the last frame is shown: with it playing ends.
          turn.next = Math.min(Math.max(frames.at(-1).frame + turn.step, this.due(turn, performance.now())), last);
        } catch { // the network dropped: once more in a second
          await new Promise((done) => setTimeout(done, 1000));
        }
      }
    },
    async fetchFrames({ next, step }) {
      const width = Math.ceil(this.fit() / ROUNDED) * ROUNDED;
      const answer = await fetch(`${this.source}?first=${next}&count=${BATCH}&step=${step}&width=${width}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const all = new Uint8Array(await answer.arrayBuffer());
      const line = all.indexOf(10);
      const frames = JSON.parse(new TextDecoder().decode(all.subarray(0, line)));
      let at = line + 1;
      for (const each of frames) {
        const picture = new Blob([all.subarray(at, at += each.bytes)], { type: "image/jpeg" });
        // One that cannot be read is left out.
        each.decoded = createImageBitmap(picture).then((image) => { each.image = image; }, () => { each.failed = true; });
      }
      return frames;
    },
    due(turn, now) { return turn.began === null ? turn.from : turn.from + Math.floor((now - turn.began) / 1000 * this.rate); },
    tick(turn, now) {
      if (this.turn !== turn) return;
      const due = this.due(turn, now);
      const index = turn.ready.findLastIndex((each) => each.frame <= due && (each.image || each.failed));
      if (index >= 0) {
        const past = turn.ready.splice(0, index + 1), found = past.pop();
        past.forEach((each) => each.decoded.then(() => each.image?.close()));
        if (turn.began === null) turn.began = now;
        turn.drawn = now;
        if (found.image) this.show(found, turn);
        if (found.frame === this.count - 1) { this.pause(); return; }
        if (now - turn.reported > REPORT) this.report(turn, true);
      } else if (turn.began !== null && now - turn.drawn > STALLED) {
        [turn.began, turn.from] = [null, turn.ready[0]?.frame ?? turn.next];
      }
      requestAnimationFrame((later) => this.tick(turn, later));
    },
    show(found, turn) {
      this.seen?.image.close();
      this.seen = { image: found.image, masks: found.masks, frame: found.frame, run: turn.run };
      for (const each of found.masks) each.outline = new Path2D(each.path);
      this.paint();
      if (turn.reported === 0) this.report(turn, true); // from now on it is seen
      this.$el.dispatchEvent(new CustomEvent("framedrawn", { bubbles: true, detail: `${this.source}/${found.frame}.jpg` }));
    },
    // Pixels of the screen that it is wide; zoomed frames are drawn with fewer.
    fit() { return Math.min(Math.max(this.$el.clientWidth, 1) * (window.devicePixelRatio || 1), WIDEST); },
    paint() {
      if (!this.seen) return;
      const canvas = this.$el, { image, masks } = this.seen, wide = Math.round(this.fit()), high = Math.round(wide * this.height / this.width);
      if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
      const pen = canvas.getContext("2d", { alpha: false }), unit = this.width / wide;
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.drawImage(image, 0, 0, wide, high);
      pen.scale(1 / unit, 1 / unit);
      const line = (each, colour, width) => { pen.strokeStyle = colour; pen.lineWidth = width * unit; pen.stroke(each.outline); };
      const seen = this.masked ? masks.filter((each) => !this.hidden.includes(each.key)) : [];
      for (const each of seen) {
        pen.globalAlpha = this.opacity / 100;
        pen.fillStyle = each.colour;
        pen.fill(each.outline, "evenodd");
        pen.globalAlpha = 1;
        line(each, each.colour, 1.5);
      }
      const chosen = seen.find((each) => each.key === this.chosen);
      if (chosen) { line(chosen, "black", 5); line(chosen, "white", 2.5); }
      pen.font = `600 ${15 * unit}px system-ui, sans-serif`;
      [pen.textAlign, pen.textBaseline, pen.lineJoin] = ["center", "middle", "round"];
      [pen.fillStyle, pen.strokeStyle, pen.lineWidth] = ["white", "black", 3 * unit];
      for (const { key, at } of seen) { pen.strokeText(key, ...at); pen.fillText(key, ...at); }
    },
  },
};
