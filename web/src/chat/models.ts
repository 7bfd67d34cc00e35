// What the server offers, and which of it is asked.
import { listModels } from '../api/client';
import { ApiError } from '../api/failure';
import { changeSettings, settings } from '../settings/settings';

let names: string[] = [];
const listeners: (() => void)[] = [];

export function modelNames(): readonly string[] {
  return names;
}

/** The chosen model when the server has it, else its first; '' before the list is known. */
export function currentModel(): string {
  const { model } = settings();
  return names.includes(model) ? model : (names[0] ?? model);
}

export function chooseModel(name: string): void {
  changeSettings({ model: name });
  listeners.forEach((listener) => listener());
}

export function onModels(listener: () => void): void {
  listeners.push(listener);
}

export async function refreshModels(): Promise<void> {
  names = await listModels();
  listeners.forEach((listener) => listener());
}

/** The model to ask; asks for the list when it is not known yet. */
export async function modelToAsk(): Promise<string> {
  if (names.length === 0) await refreshModels();
  if (names.length === 0) throw new ApiError({ kind: 'server', sentence: 'The server lists no model; start it with one.' });
  return currentModel();
}
