// Prometheus' text format, as far as it is needed: samples with labels. Lines that cannot be read are left out.

export interface Sample {
  labels: ReadonlyMap<string, string>;
  value: number;
}

export type Samples = ReadonlyMap<string, readonly Sample[]>;

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,\s*|$)/y;

export function parseMetrics(text: string): Samples {
  const samples = new Map<string, Sample[]>();
  for (const row of text.split('\n')) {
    if (row.startsWith('#')) continue;
    const match = row.match(line);
    const value = match ? numberOf(match[3]!) : undefined;
    const labels = match ? labelsOf(match[2] ?? '') : undefined;
    if (!match || value === undefined || labels === undefined) continue;
    const list = samples.get(match[1]!) ?? [];
    list.push({ labels, value });
    samples.set(match[1]!, list);
  }
  return samples;
}

function numberOf(text: string): number | undefined {
  if (/^[+]?inf$/i.test(text)) return Infinity;
  if (/^-inf$/i.test(text)) return -Infinity;
  if (/^nan$/i.test(text)) return NaN;
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}

function labelsOf(text: string): Map<string, string> | undefined {
  const labels = new Map<string, string>();
  label.lastIndex = 0;
  while (label.lastIndex < text.length) {
    const match = label.exec(text);
    if (!match) return undefined;
    labels.set(match[1]!, match[2]!.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)));
  }
  return labels;
}
