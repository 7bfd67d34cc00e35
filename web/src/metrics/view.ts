// The metrics: reads them every two seconds while someone looks, and hands each reading to the charts.
import { readMetrics } from '../api/client';
import { failureOf } from '../api/failure';
import { askKey } from '../settings/dialogs';
import { h } from '../ui/dom';
import { Chart } from './chart';
import type { Reading } from './derive';
import { panels } from './panels';
import { parseMetrics } from './prometheus';

const everyMs = 2000;
const windowReadings = 15; // half a minute

export class MetricsView {
  private readonly notice = h('p', { class: 'notice', role: 'alert', hidden: true });
  private readonly charts = panels.map((panel) => ({ panel, chart: new Chart(panel) }));
  readonly root = h('main', { class: 'metrics', id: 'main', tabIndex: -1, aria: { label: 'Metrics' } },
    this.notice, h('div', { class: 'panels' }, ...this.charts.map(({ chart }) => chart.root)));
  private readings: Reading[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abort: AbortController | undefined;
  private visible = false;

  constructor() {
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.charts.forEach(({ chart }) => chart.recolour()));
    document.addEventListener('visibilitychange', () => this.visible && !document.hidden && this.start());
  }

  show(): void {
    this.visible = true;
    this.start();
  }

  hide(): void {
    this.visible = false;
    clearTimeout(this.timer);
    this.abort?.abort();
  }

  private start(): void {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = new AbortController();
    void this.read(this.abort.signal);
  }

  private async read(signal: AbortSignal): Promise<void> {
    const begun = Date.now();
    try {
      const samples = parseMetrics(await readMetrics(signal));
      if (signal.aborted) return;
      this.take({ seconds: Date.now() / 1000, samples });
      this.notice.hidden = true;
    } catch (error) {
      if (signal.aborted) return;
      const failure = failureOf(error);
      this.notice.hidden = false;
      if (this.notice.textContent !== failure.sentence) this.notice.textContent = failure.sentence;
      if (failure.kind === 'key' && (await askKey())) return this.start();
    }
    if (signal.aborted || !this.visible || document.hidden) return;
    this.timer = setTimeout(() => void this.read(signal), Math.max(0, everyMs - (Date.now() - begun)));
  }

  private take(now: Reading): void {
    const last = this.readings.at(-1);
    this.readings.push(now);
    if (this.readings.length > windowReadings + 1) this.readings.shift();
    if (last === undefined) return; // changes need two
    // After a pause (another tab was looked at) the oldest may be old; the window still begins there.
    const window = this.readings[0]!;
    for (const { panel, chart } of this.charts) {
      chart.add(now.seconds, panel.lines(now), (line) => panel.value(line, now, last, window));
    }
  }
}
