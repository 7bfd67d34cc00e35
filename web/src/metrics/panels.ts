// What each chart shows: its lines, and how their newest values come from readings.
import { bucketIncrease, increase, labelValues, quantile, rate, ratio, type Reading, total } from './derive';
import { names, poolOwners } from './names';

export type Unit = 'count' | 'rate' | 'seconds' | 'bytes' | 'share';

export interface Panel {
  title: string;
  note?: string;
  unit: Unit;
  stacked?: boolean;
  /** Line names in order. They may grow: a reason of rejection appears when it first happens. */
  lines: (now: Reading) => string[];
  /** `last`: the reading before; `window`: one of about half a minute ago. */
  value: (line: string, now: Reading, last: Reading, window: Reading) => number | null;
}

const windowNote = 'over the last 30 s';

function quantiles(title: string, histogram: string): Panel {
  return {
    title, note: windowNote, unit: 'seconds', lines: () => ['p50', 'p99'],
    value: (line, now, _, window) => quantile(line === 'p50' ? 0.5 : 0.99, bucketIncrease(window.samples, now.samples, histogram)),
  };
}

export const panels: Panel[] = [
  {
    title: 'Requests', unit: 'count', lines: () => ['running', 'waiting'],
    value: (line, now) => total(now.samples, line === 'running' ? names.running : names.waiting),
  },
  {
    title: 'Tokens per second', unit: 'rate', lines: () => ['generated', 'prompt'],
    value: (line, now, last) => rate(last, now, line === 'generated' ? names.generatedTokens : names.promptTokens),
  },
  quantiles('Time to first token', names.firstToken),
  quantiles('Time between tokens', names.interToken),
  quantiles('Time in the queue', names.queueTime),
  quantiles('Whole request', names.wholeRequest),
  {
    title: 'Pool memory', note: 'by owner', unit: 'bytes', stacked: true,
    lines: (now) => [...poolOwners, ...labelValues(now.samples, names.poolBytes, 'owner').filter((owner) => !(poolOwners as readonly string[]).includes(owner))],
    value: (line, now) => total(now.samples, names.poolBytes, (sample) => sample.labels.get('owner') === line),
  },
  {
    title: 'Prefix cache hits', note: windowNote, unit: 'share', lines: () => ['of prompt tokens'],
    value: (_, now, __, window) => ratio(window.samples, now.samples, names.prefixHits, names.prefixQueries),
  },
  {
    title: 'Rejected and cancelled', note: windowNote, unit: 'count',
    lines: (now) => ['cancelled', ...labelValues(now.samples, names.rejected, 'reason')],
    value: (line, now, _, window) =>
      line === 'cancelled'
        ? increase(window.samples, now.samples, names.cancelled)
        : increase(window.samples, now.samples, names.rejected, (sample) => (sample.labels.get('reason') ?? '') === line),
  },
];

export function show(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  switch (unit) {
    case 'count':
      return String(Math.round(value * 100) / 100);
    case 'rate':
      return value < 10 ? trim(Math.round(value * 10) / 10) : Math.round(value).toLocaleString('en');
    case 'share':
      return `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
    case 'seconds':
      if (value === 0) return '0';
      return value < 0.001 ? `${(value * 1e6).toFixed(0)} µs` : value < 1 ? `${trim(value * 1000)} ms` : `${trim(value)} s`;
    case 'bytes':
      for (const [unitBytes, name] of [[2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']] as const) {
        if (value >= unitBytes) return `${trim(value / unitBytes)} ${name}`;
      }
      return `${Math.round(value)} B`;
  }
}

// Two places below ten, none above a hundred, and no zeros at the end of a fraction.
function trim(value: number): string {
  return String(Number(value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)));
}
