// What went wrong, as one sentence and what the page can do about it.

export type FailureKind = 'key' | 'busy' | 'refused' | 'server' | 'network' | 'broken';

export interface Failure {
  kind: FailureKind;
  sentence: string;
  /** Milliseconds since 1970: before this the server does not want to be asked again. */
  retryAt?: number;
}

export class ApiError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.sentence);
  }
}

/** Seconds or a date, as RFC 9110 has it; undefined when it is neither. */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const at = /^\s*\d+(\.\d+)?\s*$/.test(header) ? now + Number(header) * 1000 : Date.parse(header);
  return Number.isFinite(at) ? Math.max(at, now) : undefined;
}

/** The message of an error body as OpenAI shapes it, or of a plain text; undefined when there is none worth showing. */
export function errorMessage(body: unknown): string | undefined {
  if (typeof body === 'string') {
    const text = body.trim();
    return text === '' || text.startsWith('<') ? undefined : text.slice(0, 500);
  }
  if (typeof body !== 'object' || body === null) return undefined;
  if ('error' in body) return errorMessage(body.error);
  return 'message' in body ? errorMessage(body.message) : undefined;
}

function sentence(start: string, message: string | undefined, otherwise: string): string {
  const text = message === undefined ? `${start}${otherwise}` : `${start}: ${message}`;
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

export function failureOfStatus(status: number, body: unknown, retryAfter: string | null, now: number, keySent: boolean): Failure {
  const message = errorMessage(body);
  if (status === 401 || status === 403) {
    const text = keySent ? 'The server does not accept this API key; enter another one.' : 'The server asks for an API key.';
    return { kind: 'key', sentence: text };
  }
  if (status === 429 || status === 503) {
    const retryAt = parseRetryAfter(retryAfter, now);
    const text = sentence('The server is busy', message, '; try again soon.');
    return { kind: 'busy', sentence: text, ...(retryAt === undefined ? {} : { retryAt }) };
  }
  if (status >= 500) return { kind: 'server', sentence: sentence('The server failed', message, ` with status ${status}.`) };
  return { kind: 'refused', sentence: sentence('The server refused the request', message, ` with status ${status}.`) };
}

export const unreachable: Failure = {
  kind: 'network',
  sentence: 'The server cannot be reached; check that it runs and that you are connected.',
};

export const brokenOff: Failure = {
  kind: 'broken',
  sentence: 'The connection was lost before the answer was complete.',
};

export function failureOf(error: unknown): Failure {
  if (error instanceof ApiError) return error.failure;
  return { kind: 'server', sentence: `The page met an error of its own: ${error instanceof Error ? error.message : String(error)}.` };
}
