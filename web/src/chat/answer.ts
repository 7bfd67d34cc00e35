// One answer from request to end: gathers the deltas in an Answer and measures it as the reader meets it.
import { streamChat } from '../api/client';
import { failureOf } from '../api/failure';
import type { ChatMessage, ChatRequest, ToolCallDelta, Usage } from '../api/types';
import type { Settings } from '../settings/settings';
import type { Answer, Finish, Message, Stats } from './conversation';

export function requestOf(messages: readonly Message[], model: string, settings: Readonly<Settings>): ChatRequest {
  const said: ChatMessage[] = settings.system.trim() === '' ? [] : [{ role: 'system', content: settings.system }];
  for (const message of messages) {
    // Reasoning is not sent back, as templates expect; nor are tool calls: nobody here ran them, so none has a result.
    if (message.content === '') continue;
    const last = said.at(-1);
    // A question whose answer failed becomes part of the next one: many templates insist that roles alternate.
    if (last?.role === message.role) last.content += `\n\n${message.content}`;
    else said.push({ role: message.role, content: message.content });
  }
  const request: ChatRequest = { model, messages: said, stream: true, stream_options: { include_usage: true } };
  if (settings.temperature !== undefined) request.temperature = settings.temperature;
  if (settings.topP !== undefined) request.top_p = settings.topP;
  if (settings.maxTokens !== undefined) request.max_completion_tokens = settings.maxTokens;
  if (settings.seed !== undefined) request.seed = settings.seed;
  if (settings.tools.trim() !== '') request.tools = JSON.parse(settings.tools) as unknown[];
  return request;
}

/** Never rejects: what goes wrong is written into the answer. `changed` is called after each piece. */
export async function runAnswer(answer: Answer, request: ChatRequest, signal: AbortSignal, changed: () => void): Promise<void> {
  const start = performance.now();
  let first: number | undefined;
  let last = start;
  let pieces = 0;
  let usage: Usage | undefined;
  let finish: Finish | undefined;
  try {
    for await (const chunk of streamChat(request, signal)) {
      usage = chunk.usage ?? usage;
      const choice = chunk.choices?.[0];
      const delta = choice?.delta;
      const text = delta?.content ?? delta?.refusal ?? '';
      const reasoning = delta?.reasoning_content ?? delta?.reasoning ?? '';
      if (text !== '' || reasoning !== '' || delta?.tool_calls) {
        last = performance.now();
        first ??= last;
        pieces++;
        answer.content += text;
        answer.reasoning += reasoning;
        for (const call of delta?.tool_calls ?? []) addToolCall(answer, call);
        changed();
      }
      if (choice?.finish_reason) finish = finishOf(choice.finish_reason);
    }
    answer.finish = finish ?? 'other';
  } catch (error) {
    if (signal.aborted) {
      answer.finish = 'stopped';
    } else {
      answer.finish = 'interrupted';
      answer.failure = failureOf(error);
    }
  }
  if (first !== undefined) answer.stats = statsOf(first - start, last - first, pieces, usage);
  changed();
}

function finishOf(reason: string): Finish {
  return reason === 'stop' || reason === 'length' || reason === 'tool_calls' ? reason : 'other';
}

function addToolCall(answer: Answer, delta: ToolCallDelta): void {
  const index = Math.min(Math.max(delta.index ?? answer.toolCalls.length, 0), answer.toolCalls.length);
  const call = (answer.toolCalls[index] ??= { id: '', name: '', arguments: '' });
  call.id += delta.id ?? '';
  call.name += delta.function?.name ?? '';
  call.arguments += delta.function?.arguments ?? '';
}

function statsOf(firstTokenMs: number, spanMs: number, pieces: number, usage: Usage | undefined): Stats {
  const tokens = usage?.completion_tokens ?? pieces;
  return {
    firstTokenMs,
    tokens,
    counted: usage?.completion_tokens !== undefined,
    // The first token ends the prompt's time, so the span holds the others only.
    tokensPerSecond: tokens > 1 && spanMs > 0 ? ((tokens - 1) * 1000) / spanMs : undefined,
    promptTokens: usage?.prompt_tokens,
    cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? undefined,
  };
}
