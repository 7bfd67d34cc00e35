// A panel as a uPlot chart with a legend of its own, which tells the newest values, or those under the pointer.
import uPlot from 'uplot';
import { h } from '../ui/dom';
import { type Panel, show } from './panels';

const keep = 150; // points: five minutes of a reading every two seconds
const height = 160;

export class Chart {
  private readonly legend = h('ul', { class: 'legend' });
  private readonly plotBox = h('div', { class: 'plot', role: 'img' });
  private readonly empty = h('p', { class: 'empty' }, 'The server has published nothing of this yet.');
  readonly root: HTMLElement;
  private readonly times: number[] = [];
  private lines: string[] = [];
  private readonly values = new Map<string, (number | null)[]>();
  private plot: uPlot | undefined;
  private pointed: number | null = null;

  constructor(private readonly panel: Panel) {
    this.root = h('section', { class: 'panel' },
      h('header', {}, h('h2', {}, panel.title), h('small', {}, panel.note ?? '')), this.legend, this.plotBox, this.empty);
    this.plotBox.hidden = true;
    new ResizeObserver(() => this.plot?.setSize({ width: this.plotBox.clientWidth, height })).observe(this.plotBox);
  }

  add(seconds: number, lines: string[], value: (line: string) => number | null): void {
    // Lines stay once they were seen, so that colours do not move.
    const all = [...this.lines, ...lines.filter((line) => !this.lines.includes(line))];
    const grown = all.length !== this.lines.length;
    this.lines = all;
    this.times.push(seconds);
    if (this.times.length > keep) this.times.shift();
    for (const line of all) {
      const list = this.values.get(line) ?? Array<null>(this.times.length - 1).fill(null);
      list.push(value(line));
      while (list.length > this.times.length) list.shift();
      this.values.set(line, list);
    }
    const any = [...this.values.values()].some((list) => list.some((entry) => entry !== null));
    this.empty.hidden = any;
    this.plotBox.hidden = !any;
    if (!any) return;
    if (grown || !this.plot) this.make();
    else this.plot.setData(this.data());
    this.drawLegend();
  }

  /** After a change of colours: a canvas does not follow the style sheet. */
  recolour(): void {
    if (this.plot) this.make();
  }

  private data(): uPlot.AlignedData {
    const columns = this.lines.map((line) => this.values.get(line)!);
    if (!this.panel.stacked) return [this.times, ...columns];
    // Each line is drawn with all below it; the uppermost comes first, so that lower ones are painted over it.
    const sums = this.times.map(() => 0);
    const stack = columns.map((column) => column.map((entry, i) => (sums[i]! += entry ?? 0)));
    return [this.times, ...stack.reverse()];
  }

  private make(): void {
    this.plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const order = this.panel.stacked ? [...this.lines].reverse() : this.lines;
    const axis: uPlot.Axis = {
      stroke: colour('--soft'), font: '11px system-ui, sans-serif',
      grid: { stroke: colour('--grid'), width: 1 }, ticks: { show: false },
    };
    const { unit } = this.panel;
    this.plot = new uPlot({
      width: this.plotBox.clientWidth || 300, height,
      legend: { show: false },
      padding: [8, 26, 0, 0], // to the right, half of the newest time's label
      cursor: { y: false, drag: { x: false, y: false }, points: { show: !this.panel.stacked } },
      hooks: { setCursor: [(plot) => this.point(plot.cursor.idx ?? null)] },
      scales: { y: { range: (_, __, max) => [0, unit === 'share' ? 1 : unit === 'count' ? Math.max(4, Math.ceil((max ?? 0) * 1.1)) : (max || 1) * 1.1] } },
      axes: [
        { ...axis, size: 26, space: 70, values: (_, splits) => splits.map((at) => new Date(at * 1000).toLocaleTimeString('en-GB')) },
        { ...axis, size: 62, space: 30, values: (_, splits) => splits.map((at) => show(at, unit)),
          // Bytes are ticked in powers of two, else the labels are odd fractions; half a request there is none.
          ...(unit === 'bytes' ? { incrs: Array.from({ length: 45 }, (_, i) => 2 ** i) } : {}),
          ...(unit === 'count' ? { incrs: Array.from({ length: 27 }, (_, i) => [1, 2, 5][i % 3]! * 10 ** Math.floor(i / 3)) } : {}) },
      ],
      series: [{}, ...order.map((line): uPlot.Series => {
        const stroke = colour(this.colourOf(line));
        return { label: line, stroke, width: this.panel.stacked ? 1 : 2, spanGaps: false, points: { show: false },
          ...(this.panel.stacked ? { fill: stroke } : {}) };
      })],
    }, this.data(), this.plotBox);
  }

  // What is free is not in use and looks it.
  private colourOf(line: string): string {
    return this.panel.stacked && line === 'free' ? '--line-free' : `--line-${(this.lines.indexOf(line) % 6) + 1}`;
  }

  private point(index: number | null): void {
    this.pointed = index;
    this.drawLegend();
  }

  private drawLegend(): void {
    const at = this.pointed ?? this.times.length - 1;
    const told = this.lines.map((line): [string, string] => [line.replaceAll('_', ' '), show(this.values.get(line)![at], this.panel.unit)]);
    this.legend.replaceChildren(...told.map(([line, value], i) => {
      const swatch = h('i');
      swatch.style.background = `var(${this.colourOf(this.lines[i]!)})`;
      return h('li', {}, swatch, `${line} `, h('b', {}, value));
    }));
    this.plotBox.setAttribute('aria-label', `${this.panel.title}: ${told.map((pair) => pair.join(' ')).join(', ')}`);
  }
}
