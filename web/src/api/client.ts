// The server's API. Addresses are relative to the page, so that it works below a path too.
import { apiKey } from '../settings/settings';
import { ApiError, brokenOff, failureOfStatus, unreachable } from './failure';
import { SseParser } from './sse';
import type { ChatChunk, ChatRequest } from './types';

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const key = apiKey();
  const headers = new Headers(init.headers);
  if (key !== '') headers.set('Authorization', `Bearer ${key}`);
  let response: Response;
  try {
    response = await fetch(new URL(path, document.baseURI), { ...init, headers, cache: 'no-store', credentials: 'same-origin' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(unreachable);
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => '');
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // A proxy's page; errorMessage decides whether it can be shown.
  }
  throw new ApiError(failureOfStatus(response.status, body, response.headers.get('Retry-After'), Date.now(), key !== ''));
}

async function text(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch {
    throw new ApiError(unreachable);
  }
}

/** The names of the models that the server offers. */
export async function listModels(): Promise<string[]> {
  const list: unknown = JSON.parse(await text(await ask('v1/models')));
  const data = typeof list === 'object' && list !== null && 'data' in list && Array.isArray(list.data) ? list.data : [];
  return data.map((row: { id?: unknown }) => row.id).filter((id): id is string => typeof id === 'string');
}

export async function readMetrics(signal: AbortSignal): Promise<string> {
  return text(await ask('metrics', { signal }));
}

/** The chunks of one answer. Ends when the server says so; a connection that ends before that is an error. */
export async function* streamChat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk> {
  const response = await ask('v1/chat/completions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
    body: JSON.stringify(request),
    signal,
  });
  const reader = response.body?.getReader();
  if (reader === undefined) throw new ApiError(brokenOff);
  const parser = new SseParser();
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error: unknown) => {
        if (signal.aborted) throw error;
        throw new ApiError(brokenOff);
      });
      if (done) throw new ApiError(brokenOff);
      for (const data of parser.push(value)) {
        if (data === '[DONE]') return;
        const chunk = JSON.parse(data) as ChatChunk;
        if (chunk.error !== undefined && chunk.error !== null) {
          throw new ApiError(failureOfStatus(500, chunk, null, Date.now(), true));
        }
        yield chunk;
      }
    }
  } finally {
    // Also when the caller stopped early: the server then sees the client go and gives its pages back.
    reader.cancel().catch(() => undefined);
  }
}
