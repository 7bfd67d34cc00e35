// The settings and the question for the API key, as dialogs that the browser keeps the focus in.
import { chooseModel, currentModel, modelNames, refreshModels } from '../chat/models';
import { failureOf } from '../api/failure';
import { h, iconButton } from '../ui/dom';
import { apiKey, changeSettings, setApiKey, settings } from './settings';

function field(label: string, control: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement, help?: string): HTMLElement {
  const note = help === undefined ? undefined : h('small', { id: `${control.id}-help` }, help);
  if (note) control.setAttribute('aria-describedby', note.id);
  return h('div', { class: 'setting' }, h('label', { htmlFor: control.id }, label), control, note);
}

function keyInput(id: string): HTMLInputElement {
  // Not the login form that password managers would fill: a key is of this tab only.
  return h('input', { id, type: 'password', autocomplete: 'off', spellcheck: false, autocapitalize: 'off', value: apiKey() });
}

function number(id: string, value: number | undefined, min: number, max: number, step: string): HTMLInputElement {
  return h('input', {
    id, type: 'number', inputMode: step === '1' ? 'numeric' : 'decimal', min: String(min), max: String(max), step,
    placeholder: 'default', value: value === undefined ? '' : String(value),
  });
}

function valueOf(input: HTMLInputElement): number | undefined {
  return input.value === '' ? undefined : input.valueAsNumber;
}

function show(dialog: HTMLDialogElement): Promise<boolean> {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'ok');
    }, { once: true });
  });
}

function frame(title: string, form: HTMLFormElement): HTMLDialogElement {
  const dialog = h('dialog', { aria: { labelledby: 'dialog-title' } },
    h('header', {}, h('h2', { id: 'dialog-title' }, title), iconButton('close', 'Close', () => dialog.close(''))), form);
  // A click on the darkened page, which counts as one on the dialog itself.
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close(''));
  return dialog;
}

let asking: Promise<boolean> | undefined;

/** Asks for the key; true when one was given. A second caller shares the dialog of the first. */
export function askKey(): Promise<boolean> {
  return (asking ??= showKeyDialog().finally(() => (asking = undefined)));
}

async function showKeyDialog(): Promise<boolean> {
  const key = keyInput('key-asked');
  key.required = true;
  key.autofocus = true;
  const form = h('form', { method: 'dialog' },
    h('p', {}, apiKey() === '' ? 'This server asks for an API key.' : 'This server does not accept the API key; enter another one.'),
    field('API key', key, 'Kept until this tab is closed, and sent to this server only.'),
    h('div', { class: 'buttons' }, h('button', { type: 'submit', class: 'button primary', value: 'ok' }, 'Use this key')));
  const given = await show(frame('API key', form));
  if (given) setApiKey(key.value);
  return given;
}

/** `changed` is called when they were saved. */
export async function showSettings(changed: () => void): Promise<void> {
  const now = settings();
  const model = h('select', { id: 'set-model' });
  const modelNote = h('small', { role: 'status' });
  const listModels = () => {
    const names = modelNames();
    // What was chosen before the list came stays chosen.
    const chosen = names.includes(model.value) ? model.value : currentModel();
    model.replaceChildren(...names.map((name) => h('option', { value: name, selected: name === chosen }, name)));
    model.disabled = names.length === 0;
  };
  listModels();
  refreshModels().then(listModels, (error: unknown) => (modelNote.textContent = failureOf(error).sentence));
  const system = h('textarea', { id: 'set-system', rows: 3, autofocus: window.matchMedia('(pointer: fine)').matches, value: now.system, placeholder: 'none' });
  const temperature = number('set-temperature', now.temperature, 0, 2, 'any');
  const topP = number('set-top-p', now.topP, 0, 1, 'any');
  const maxTokens = number('set-max-tokens', now.maxTokens, 1, 1e9, '1');
  const seed = number('set-seed', now.seed, 0, Number.MAX_SAFE_INTEGER, '1');
  const tools = h('textarea', { id: 'set-tools', rows: 2, value: now.tools, spellcheck: false, placeholder: '[{"type": "function", "function": {…}}]' });
  tools.addEventListener('input', () => tools.setCustomValidity(isJsonList(tools.value) ? '' : 'This is no JSON list of tools.'));
  const key = keyInput('set-key');
  const form = h('form', { method: 'dialog' },
    field('Model', model), modelNote,
    field('System prompt', system),
    h('div', { class: 'pair' }, field('Temperature', temperature), field('Top p', topP)),
    h('div', { class: 'pair' }, field('Max tokens', maxTokens), field('Seed', seed)),
    h('small', {}, 'What is left empty is not sent, and the server’s own value holds.'),
    field('Tools, as JSON', tools, 'Offered to the model; its calls are shown, nothing runs them.'),
    field('API key', key, 'Kept until this tab is closed, and sent to this server only.'),
    h('div', { class: 'buttons' }, h('button', { type: 'submit', class: 'button primary', value: 'ok' }, 'Save')));
  if (!(await show(frame('Settings', form)))) return;
  changeSettings({
    system: system.value, temperature: valueOf(temperature), topP: valueOf(topP), maxTokens: valueOf(maxTokens), seed: valueOf(seed),
    tools: tools.value,
  });
  if (model.value !== '') chooseModel(model.value);
  setApiKey(key.value);
  changed();
}

function isJsonList(text: string): boolean {
  if (text.trim() === '') return true;
  try {
    return Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}
