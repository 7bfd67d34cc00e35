// From two readings of the counters to what happened between them.
import type { Sample, Samples } from './prometheus';

export interface Reading {
  seconds: number; // since 1970
  samples: Samples;
}

/** The sum over all label sets (models, workers) that `matching` takes; null when the server does not publish it. */
export function total(samples: Samples, name: string, matching: (sample: Sample) => boolean = () => true): number | null {
  const found = samples.get(name)?.filter(matching);
  return found && found.length > 0 ? found.reduce((sum, sample) => sum + sample.value, 0) : null;
}

/** A counter that went down began anew: the server was restarted, and what it counts now happened since. */
function growth(before: number, now: number): number {
  return now >= before ? now - before : now;
}

export function increase(before: Samples, now: Samples, name: string, matching?: (sample: Sample) => boolean): number | null {
  const to = total(now, name, matching);
  return to === null ? null : growth(total(before, name, matching) ?? 0, to);
}

export function rate(before: Reading, now: Reading, name: string): number | null {
  const seconds = now.seconds - before.seconds;
  const grown = increase(before.samples, now.samples, name);
  return grown === null || seconds <= 0 ? null : grown / seconds;
}

export function ratio(before: Samples, now: Samples, part: string, whole: string): number | null {
  const all = increase(before, now, whole);
  const some = increase(before, now, part);
  return all === null || some === null || all <= 0 ? null : some / all;
}

export function labelValues(samples: Samples, name: string, label: string): string[] {
  return [...new Set((samples.get(name) ?? []).map((sample) => sample.labels.get(label) ?? ''))];
}

/** Upper bounds, rising, with the number of observations up to each. */
type Buckets = [bound: number, count: number][];

function bucketsOf(samples: Samples, histogram: string): Map<number, number> {
  const buckets = new Map<number, number>();
  for (const sample of samples.get(`${histogram}_bucket`) ?? []) {
    const text = sample.labels.get('le') ?? '';
    const bound = text === '+Inf' ? Infinity : Number(text);
    if (text !== '' && !Number.isNaN(bound)) buckets.set(bound, (buckets.get(bound) ?? 0) + sample.value);
  }
  return buckets;
}

export function bucketIncrease(before: Samples, now: Samples, histogram: string): Buckets {
  const earlier = bucketsOf(before, histogram);
  const later = bucketsOf(now, histogram);
  // All or none: a restart shows in the largest bucket, and smaller ones must not be judged apart from it.
  const restarted = [...later].some(([bound, count]) => count < (earlier.get(bound) ?? 0));
  return [...later].map(([bound, count]): [number, number] => [bound, restarted ? count : count - (earlier.get(bound) ?? 0)])
    .sort((a, b) => a[0] - b[0]);
}

/**
 * The value below which the share `q` of the observations lies, linear within its bucket, as Prometheus reckons it;
 * the last finite bound when it lies above; null when nothing was observed.
 */
export function quantile(q: number, buckets: Buckets): number | null {
  const count = buckets.at(-1)?.[1] ?? 0;
  if (count <= 0) return null;
  const rank = q * count;
  let lower = 0;
  let below = 0;
  for (const [bound, upTo] of buckets) {
    if (upTo >= rank && upTo > below) return bound === Infinity ? lower : lower + ((bound - lower) * (rank - below)) / (upTo - below);
    if (bound !== Infinity) lower = bound;
    below = Math.max(below, upTo);
  }
  return lower;
}
