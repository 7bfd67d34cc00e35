// What the user sets. Kept in localStorage, except the API key: that one goes with the tab (sessionStorage).

export interface Settings {
  model: string; // '': the first that the server lists
  system: string;
  // undefined: the server's own value, nothing is sent
  temperature: number | undefined;
  topP: number | undefined;
  maxTokens: number | undefined;
  seed: number | undefined;
  tools: string; // a JSON list, or ''
}

const settingsKey = 'wring:settings';
const keyKey = 'wring:key';

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function load(): Settings {
  let stored: Partial<Record<keyof Settings, unknown>> = {};
  try {
    stored = JSON.parse(localStorage.getItem(settingsKey) ?? '{}') ?? {};
  } catch {
    // Damaged or forbidden storage: begin anew.
  }
  const textOf = (value: unknown) => (typeof value === 'string' ? value : '');
  return {
    model: textOf(stored.model),
    system: textOf(stored.system),
    temperature: numberOf(stored.temperature),
    topP: numberOf(stored.topP),
    maxTokens: numberOf(stored.maxTokens),
    seed: numberOf(stored.seed),
    tools: textOf(stored.tools),
  };
}

let current: Settings | undefined;

export function settings(): Readonly<Settings> {
  return (current ??= load());
}

export function changeSettings(change: Partial<Settings>): void {
  current = { ...settings(), ...change };
  try {
    localStorage.setItem(settingsKey, JSON.stringify(current));
  } catch {
    // Storage is full or forbidden: they hold until the page is closed.
  }
}

let memoryKey: string | undefined;

export function apiKey(): string {
  try {
    return (memoryKey ??= sessionStorage.getItem(keyKey) ?? '');
  } catch {
    return memoryKey ?? '';
  }
}

export function setApiKey(key: string): void {
  // A pasted key often brings a newline, and a header may hold no other characters than these.
  memoryKey = key.replace(/[^\x21-\x7e]/g, '');
  try {
    if (memoryKey === '') sessionStorage.removeItem(keyKey);
    else sessionStorage.setItem(keyKey, memoryKey);
  } catch {
    // Forbidden: it holds until the page is closed.
  }
}
