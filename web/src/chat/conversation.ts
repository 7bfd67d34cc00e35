// Conversations and where they are kept: localStorage, a key each, so that two tabs do not overwrite one another's.
import type { Failure } from '../api/failure';

export interface ToolCall {
  id: string;
  name: string;
  arguments: string; // JSON, as far as it has come
}

export interface Stats {
  firstTokenMs: number;
  tokens: number;
  counted: boolean; // by the server; else pieces were counted here, since it was stopped before it could say
  tokensPerSecond: number | undefined;
  promptTokens: number | undefined;
  cachedTokens: number | undefined;
}

export type Finish = 'stop' | 'length' | 'tool_calls' | 'stopped' | 'interrupted' | 'other';

export interface Question {
  role: 'user';
  content: string;
}

export interface Answer {
  role: 'assistant';
  content: string;
  reasoning: string;
  toolCalls: ToolCall[];
  model: string;
  finish?: Finish; // absent while it is being written
  stats?: Stats;
  failure?: Failure;
}

export type Message = Question | Answer;

export interface Conversation {
  id: string;
  title: string;
  changed: number; // milliseconds since 1970
  messages: Message[];
}

const prefix = 'wring:chat:';

export function newConversation(): Conversation {
  // randomUUID needs https; an id only has to differ from this browser's others.
  const id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
  return { id, title: '', changed: Date.now(), messages: [] };
}

export function titleOf(question: string): string {
  const line = question.trim().split('\n', 1)[0]!;
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

export function newAnswer(model: string): Answer {
  return { role: 'assistant', content: '', reasoning: '', toolCalls: [], model };
}

/** The newest first. What cannot be read is left where it is and not shown. */
export function loadConversations(): Conversation[] {
  const found: Conversation[] = [];
  try {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i)!;
      if (!key.startsWith(prefix)) continue;
      const conversation = read(localStorage.getItem(key) ?? '');
      if (conversation !== undefined) found.push(conversation);
    }
  } catch {
    // Storage is forbidden: conversations live until the page is closed.
  }
  return found.sort((a, b) => b.changed - a.changed);
}

function read(json: string): Conversation | undefined {
  try {
    const value = JSON.parse(json) as Conversation;
    if (typeof value.id !== 'string' || !Array.isArray(value.messages)) return undefined;
    for (const message of value.messages) {
      if (message.role === 'assistant') {
        // Its page was closed or reloaded in the middle of it.
        message.finish ??= 'interrupted';
        message.toolCalls ??= [];
        message.reasoning ??= '';
      } else if (message.role !== 'user') {
        return undefined;
      }
      if (typeof message.content !== 'string') return undefined;
    }
    return { ...value, title: String(value.title), changed: Number(value.changed) || 0 };
  } catch {
    return undefined;
  }
}

/** False when the browser's storage refused it: it is full, or forbidden. */
export function saveConversation(conversation: Conversation): boolean {
  try {
    localStorage.setItem(prefix + conversation.id, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

export function forgetConversation(id: string): void {
  try {
    localStorage.removeItem(prefix + id);
  } catch {
    // Nothing was stored either.
  }
}
