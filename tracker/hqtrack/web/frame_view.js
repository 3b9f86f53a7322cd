// The frame, and what mouse, pen, fingers and keys do on it. Coordinates are pixels of the frame.
const KEY_STEP = 1, KEY_LEAP = 10;
const TAP = 3; // pixels of the screen; who moves less has clicked
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export default {
  template: `
    <div ref="outer" tabindex="0" role="application" :aria-label="label"
      aria-description="Enter puts a cursor on the frame: arrow keys move it, Enter begins and ends, Escape cancels."
      :style="{ padding: '12px', overflow: 'hidden', touchAction: 'none', userSelect: 'none', cursor: 'crosshair' }"
      @pointerdown="down" @pointermove="move" @pointerup="up" @pointercancel="cancel" @pointerleave="leave"
      @frameplayed="notePlayed($event.detail)" @contextmenu.prevent @wheel.prevent="wheel" @keydown="key">
      <div :style="{ position: 'relative', margin: '0 auto', width: fitted, aspectRatio: width / height }">
      <div ref="stage" :style="{ position: 'absolute', left: left + 'px', top: top + 'px', width: zoom * 100 + '%', height: zoom * 100 + '%' }">
        <img ref="img" :src="shown" :alt="label" draggable="false"
          :style="{ width: '100%', height: '100%', display: 'block', imageRendering: zoom > 6 ? 'pixelated' : 'auto' }" />
        <svg :viewBox="'0 0 ' + width + ' ' + height" preserveAspectRatio="none" aria-hidden="true"
          style="position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; pointer-events: none">
          <path v-for="each in visible" :key="each.key" :data-object="each.key" :d="each.path" fill-rule="evenodd"
            :fill="each.colour" :fill-opacity="opacity / 100" :stroke="each.colour" stroke-width="1.5" vector-effect="non-scaling-stroke" />
          <g v-if="outlined" fill="none" data-chosen>
            <path :d="outlined" stroke="black" stroke-width="5" vector-effect="non-scaling-stroke" />
            <path :d="outlined" stroke="white" stroke-width="2.5" vector-effect="non-scaling-stroke" />
          </g>
          <text v-for="each in visible" :key="each.key" :x="each.at[0]" :y="each.at[1]" :font-size="15 * unit" fill="white" stroke="black"
            :stroke-width="3 * unit" paint-order="stroke" text-anchor="middle" dominant-baseline="central"
            font-family="system-ui, sans-serif" font-weight="600">{{ each.key }}</text>
          <path v-if="preview && !drag && !held" :d="preview" data-preview fill="white" fill-opacity="0.25" fill-rule="evenodd"
            stroke="white" stroke-width="2" stroke-dasharray="5 4" vector-effect="non-scaling-stroke"
            style="filter: drop-shadow(0 0 1px black)" />
          <g v-if="box" fill="none" stroke-width="2">
            <rect v-bind="box" stroke="black" vector-effect="non-scaling-stroke" />
            <rect v-bind="box" stroke="white" stroke-dasharray="6 4" vector-effect="non-scaling-stroke" />
          </g>
          <polyline v-if="stroke" :points="stroke" fill="none" :stroke="tool === 'paint' ? 'white' : 'black'"
            stroke-opacity="0.5" :stroke-width="brush" stroke-linecap="round" stroke-linejoin="round" />
          <circle v-if="cursor && brushing" :cx="cursor[0]" :cy="cursor[1]" :r="brush / 2" fill="none"
            stroke="white" vector-effect="non-scaling-stroke" />
          <g v-for="(point, index) in points" :key="index" :transform="place(index)" stroke-width="2">
            <circle :r="7 * unit" :fill="point[2] ? '#1b7f3b' : '#b3261e'" stroke="white"
              vector-effect="non-scaling-stroke" />
            <path :d="sign(point[2])" stroke="white" vector-effect="non-scaling-stroke" />
          </g>
          <path v-if="keyed" :d="cross()" stroke="white" stroke-width="2" vector-effect="non-scaling-stroke"
            style="filter: drop-shadow(0 0 1px black)" />
        </svg>
        <div v-show="played !== null" style="position: absolute; inset: 0; pointer-events: none"><slot></slot></div>
      </div>
      </div>
    </div>`,
  props: {
    src: String, masks: String, fitted: String, label: String, width: Number, height: Number, tool: String, brush: Number, points: Array,
    frame: Number, negative: Boolean, opacity: Number, masked: Boolean, chosen: Number, hidden: Array,
    playing: Boolean,
  },
  data() {
    return {
      shown: "", drawn: [], zoom: 1, left: 0, top: 0, unit: 1, cursor: null, keyed: null, drag: null, held: null, preview: "", played: null,
    };
  },
  computed: {
    visible() { return this.masked ? this.drawn.filter((each) => !this.hidden.includes(each.key)) : []; },
    outlined() { return this.visible.find((each) => each.key === this.chosen)?.path; },
    current() { return this.played ?? this.frame; },
    brushing() { return this.tool === "paint" || this.tool === "erase"; },
    box() {
      if (!this.drag || this.tool !== "box") return null;
      const [a, b] = [this.drag.path[0], this.drag.path.at(-1)];
      return { x: Math.min(a[0], b[0]), y: Math.min(a[1], b[1]), width: Math.abs(a[0] - b[0]), height: Math.abs(a[1] - b[1]) };
    },
    stroke() {
      if (!this.drag || !this.brushing) return null;
      const path = this.drag.path.length > 1 ? this.drag.path : [this.drag.path[0], this.drag.path[0]];
      return path.map((point) => point.join(",")).join(" ");
    },
  },
  watch: {
    // Where frames change faster than they load, those between are skipped.
    src() { this.load(); },
    masks() { this.load(); },
    frame() { this.preview = ""; this.note(); },
    tool() { this.preview = ""; this.note(); },
    playing() { this.settle(); },
  },
  mounted() {
    this.fingers = new Map();
    this.resized = new ResizeObserver(() => this.measure());
    this.resized.observe(this.$refs.stage);
    this.load();
    this.onEscape = (event) => {
      if (event.key === "Escape" && this.drag) { this.cancel(); event.stopPropagation(); }
      if (event.code === "Space") this.space = true;
    };
    this.onRelease = (event) => { if (event.code === "Space") this.space = false; };
    window.addEventListener("keydown", this.onEscape, true);
    window.addEventListener("keyup", this.onRelease, true);
  },
  unmounted() {
    this.gone = true;
    this.resized.disconnect();
    window.removeEventListener("keydown", this.onEscape, true);
    window.removeEventListener("keyup", this.onRelease, true);
  },
  methods: {
    // The address keeps what is looked at over a reload; browsers refuse to change it too often.
    note() {
      clearTimeout(this.noted);
      this.noted = setTimeout(() => {
        const address = new URL(location.href);
        address.searchParams.set("frame", this.frame);
        address.searchParams.set("tool", this.tool);
        history.replaceState(history.state, "", address);
      }, 300);
    },
    // A frame appears together with its masks. Where the network drops, both are asked for again until they come.
    async load() {
      if (this.loading) return;
      this.loading = true;
      while (!this.gone && this.src && (this.shown !== this.src || this.masksOf !== this.masks)) {
        const { src, masks } = this;
        try {
          const [, drawn] = await Promise.all([this.shown === src || this.fetchImage(src), this.fetchMasks(masks)]);
          [this.shown, this.masksOf, this.drawn] = [src, masks, drawn];
        } catch {
          await new Promise((done) => setTimeout(done, 1000));
          continue;
        }
        this.settle();
        await this.$nextTick();
        this.$refs.outer?.dispatchEvent(new CustomEvent("framedrawn", { bubbles: true, detail: src }));
      }
      this.loading = false;
    },
    // What plays in here covers the frame until the one at which it stopped is drawn.
    notePlayed({ frame }) { if (this.playing) this.played = frame; },
    settle() { if (!this.playing && this.shown === this.src && this.masksOf === this.masks) this.played = null; },
    async fetchImage(src) {
      const image = new Image();
      image.src = src;
      // A frame that cannot be read is shown as missing; a server that does not answer fails once more.
      try { await image.decode(); } catch { await fetch(src); }
    },
    async fetchMasks(masks) {
      const answer = await fetch(masks);
      return answer.ok ? await answer.json() : [];
    },
    hover(event) {
      if (this.tool !== "point" || event.pointerType === "touch" || event.buttons || this.keyed) { this.preview = ""; return; }
      clearTimeout(this.hovering);
      this.hovering = setTimeout(() => {
        if (!this.cursor || this.drag || this.near(this.cursor) >= 0) { this.preview = ""; return; }
        // One question at a time; who waits for an answer asks again where the mouse is by then.
        if (this.asked && performance.now() - this.asked < 2000) { this.hover(event); return; }
        this.asked = performance.now();
        this.$emit("hover", { path: [this.cursor], exclude: this.takesAway(event), add: event.shiftKey, frame: this.current });
      }, 40);
    },
    answer(path) { this.asked = 0; this.preview = this.cursor && !this.drag && this.tool === "point" ? path : ""; },
    near(place) {
      return this.points.findLastIndex((point) => Math.hypot(point[0] - place[0], point[1] - place[1]) < 10 * this.unit);
    },
    takesAway(event) { return event.altKey || (this.negative && this.tool === "point"); },
    measure() { this.unit = this.width / Math.max(1, this.$refs.stage.offsetWidth); },
    fit() { this.zoom = 1; this.left = this.top = 0; this.$nextTick(() => this.measure()); },
    at(event) {
      const place = this.$refs.stage.getBoundingClientRect();
      const x = (event.clientX - place.left) / place.width * this.width;
      const y = (event.clientY - place.top) / place.height * this.height;
      return [Math.min(Math.max(0, x), this.width - 1), Math.min(Math.max(0, y), this.height - 1)];
    },
    zoomAt(x, y, factor) {
      const place = this.$refs.stage.getBoundingClientRect();
      const zoom = Math.min(Math.max(1, this.zoom * factor), 20);
      if (zoom === 1) { this.fit(); return; }
      this.left += (x - place.left) * (1 - zoom / this.zoom);
      this.top += (y - place.top) * (1 - zoom / this.zoom);
      this.zoom = zoom;
      this.$nextTick(() => this.measure());
    },
    wheel(event) { this.zoomAt(event.clientX, event.clientY, Math.exp(-event.deltaY / 500)); },
    place(index) {
      const held = this.held && this.held.index === index ? this.held.now : this.points[index];
      return `translate(${held[0]} ${held[1]})`;
    },
    sign(on) { const a = 4 * this.unit; return `M${-a} 0H${a}` + (on ? `M0 ${-a}V${a}` : ""); },
    cross() {
      const a = 12 * this.unit, [x, y] = this.keyed;
      return `M${x - a} ${y}H${x + a}M${x} ${y - a}V${y + a}`;
    },
    down(event) {
      this.$refs.outer.focus({ preventScroll: true });
      this.$refs.outer.setPointerCapture(event.pointerId);
      this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
      this.keyed = null;
      if (this.fingers.size > 1 || event.button === 1 || (event.button === 0 && this.space)) {
        this.cancel();
        this.panned = true;
        this.$emit("pan");
        return;
      }
      const now = this.at(event);
      const index = this.tool === "point" ? this.near(now) : -1;
      this.preview = "";
      this.$emit("press");
      if (index >= 0) this.held = { index, now: this.points[index], moved: false, from: now };
      else if (event.button === 0 || event.button === 2) {
        this.drag = { path: [now], exclude: event.button === 2 || this.takesAway(event), add: event.shiftKey, frame: this.current };
      }
    },
    move(event) {
      const before = this.fingers.get(event.pointerId);
      this.cursor = this.at(event);
      if (this.panned && before) this.pan(event, before);
      if (before) this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (this.held) {
        this.held.moved ||= Math.hypot(this.cursor[0] - this.held.from[0], this.cursor[1] - this.held.from[1]) > TAP * this.unit;
        if (this.held.moved) this.held.now = this.cursor;
      } else if (this.drag && before) this.drag.path.push(this.cursor);
      else this.hover(event);
    },
    pan(event, before) {
      const others = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      if (others.length === 0) {
        if (this.zoom > 1) { this.left += event.clientX - before[0]; this.top += event.clientY - before[1]; }
        return;
      }
      const [x, y] = others[0];
      const far = (a, b) => Math.max(1, Math.hypot(a - x, b - y));
      this.left += (event.clientX - before[0]) / 2;
      this.top += (event.clientY - before[1]) / 2;
      this.zoomAt((event.clientX + x) / 2, (event.clientY + y) / 2, far(event.clientX, event.clientY) / far(...before));
    },
    up(event) {
      this.fingers.delete(event.pointerId);
      if (this.panned) { this.panned = this.fingers.size > 0; return; }
      if (this.held) {
        const { index, moved, now } = this.held;
        this.held = null;
        this.$emit("point", { index, place: moved ? now : null });
      } else if (this.drag) { this.drag.path.push(this.at(event)); this.finish(); }
    },
    finish() { const drag = this.drag; this.drag = null; this.$emit("drawn", drag); },
    cancel(event) {
      if (event) this.fingers.delete(event.pointerId);
      this.drag = this.held = null;
    },
    leave() { if (!this.drag) this.cursor = null; this.preview = ""; },
    key(event) {
      if (event.ctrlKey || event.metaKey) return;
      if (event.key === "Escape" && this.keyed) this.keyed = null;
      else if (event.key === "Enter" && !this.keyed) this.keyed = [this.width / 2, this.height / 2];
      else if (event.key === "Enter") this.enter(event);
      else if (this.keyed && event.key in MOVES) {
        const step = event.shiftKey ? KEY_LEAP : KEY_STEP, [x, y] = MOVES[event.key];
        this.keyed = [Math.min(Math.max(0, this.keyed[0] + x * step), this.width - 1),
          Math.min(Math.max(0, this.keyed[1] + y * step), this.height - 1)];
        if (this.drag) this.drag.path.push(this.keyed);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
    enter(event) {
      if (!this.drag) {
        this.$emit("press");
        this.drag = { path: [this.keyed], exclude: this.takesAway(event), add: event.shiftKey, frame: this.current };
        if (this.tool !== "point") return;
      }
      this.finish();
    },
  },
};
