// One message on the page. An answer's view is updated in place while it is being written.
import type { Failure } from '../api/failure';
import { codeBlock, copyText, MarkdownView } from '../text/render';
import { h, icon } from '../ui/dom';
import type { Answer, Question } from './conversation';

export function questionNode(question: Question): HTMLElement {
  return h('article', { class: 'message question', aria: { label: 'You' } }, h('div', { class: 'bubble' }, question.content));
}

export interface AnswerActions {
  again: () => void;
  askKey: () => void;
}

export class AnswerView {
  readonly root = h('article', { class: 'message answer', aria: { label: 'Answer' } });
  private readonly text = new MarkdownView();
  private readonly reasoning = new MarkdownView();
  private readonly reasoningTitle = h('summary');
  private readonly reasoningBox = h('details', { class: 'reasoning', hidden: true }, this.reasoningTitle, this.reasoning.root);
  private readonly calls = h('div', { class: 'tool-calls' });
  private readonly waiting = h('p', { class: 'waiting', aria: { label: 'Waiting for the first word' } }, h('span'), h('span'), h('span'));
  private readonly failure = h('div', { class: 'failure', role: 'alert', hidden: true });
  private readonly foot = h('footer', { class: 'foot' });
  private shownCalls = '';
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(readonly answer: Answer, private readonly actions: AnswerActions) {
    this.root.append(this.reasoningBox, this.waiting, this.text.root, this.calls, this.failure, this.foot);
  }

  /** `last`: of its conversation; only that one can be made again. */
  update(last: boolean): void {
    const { answer } = this;
    const done = answer.finish !== undefined;
    this.root.classList.toggle('writing', !done);
    this.waiting.hidden = done || answer.content !== '' || answer.reasoning !== '' || answer.toolCalls.length > 0;
    this.reasoningBox.hidden = answer.reasoning === '';
    if (answer.reasoning !== '') {
      this.reasoningTitle.textContent = !done && answer.content === '' ? 'Reasoning…' : 'Reasoning';
      this.reasoning.update(answer.reasoning);
    }
    this.text.update(answer.content);
    this.showCalls();
    if (done) this.showEnd(last);
  }

  private showCalls(): void {
    const key = JSON.stringify(this.answer.toolCalls);
    if (key === this.shownCalls) return;
    this.shownCalls = key;
    this.calls.replaceChildren(...this.answer.toolCalls.map((call) => codeBlock(indented(call.arguments), `Tool call: ${call.name}`)));
  }

  private showEnd(last: boolean): void {
    const { answer } = this;
    this.showFailure(last ? answer.failure : undefined);
    const copy = h('button', { type: 'button', class: 'quiet' }, icon('copy'), 'Copy');
    copy.addEventListener('click', () => copyText(copy, answer.content));
    const again = h('button', { type: 'button', class: 'quiet', on: { click: this.actions.again } }, icon('again'), 'Regenerate');
    this.foot.replaceChildren(
      ...(answer.content === '' ? [] : [copy]),
      ...(last && !answer.failure ? [again] : []),
      h('span', { class: 'stats' }, endText(answer)),
    );
  }

  private showFailure(failure: Failure | undefined): void {
    clearInterval(this.timer);
    this.failure.hidden = failure === undefined;
    if (failure === undefined) return this.failure.replaceChildren();
    const retry = h('button', { type: 'button', class: 'button retry', on: { click: this.actions.again } }, 'Try again');
    const key = h('button', { type: 'button', class: 'button', on: { click: this.actions.askKey } }, 'Enter API key');
    this.failure.replaceChildren(h('p', {}, failure.sentence), h('div', { class: 'buttons' }, failure.kind === 'key' && key, retry));
    if (failure.retryAt !== undefined) this.countDown(retry, failure.retryAt);
  }

  // The seconds stand in the button, outside of what is read aloud once, so that no screen reader counts along.
  private countDown(button: HTMLButtonElement, until: number): void {
    const show = () => {
      const seconds = Math.ceil((until - Date.now()) / 1000);
      button.disabled = seconds > 0;
      button.textContent = seconds > 0 ? `Try again in ${seconds} s` : 'Try again';
      if (seconds <= 0) clearInterval(this.timer);
    };
    button.setAttribute('aria-live', 'off');
    this.timer = setInterval(show, 250);
    show();
  }

  close(): void {
    clearInterval(this.timer);
  }
}

function indented(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2);
  } catch {
    return json; // not whole yet
  }
}

function endText(answer: Answer): string {
  const parts: string[] = [];
  if (answer.finish === 'length') parts.push('ended at the token limit');
  if (answer.finish === 'stopped') parts.push('stopped');
  if (answer.finish === 'interrupted' && !answer.failure) parts.push('interrupted');
  const { stats } = answer;
  if (stats) {
    parts.push(`${stats.counted ? '' : '≈ '}${stats.tokens} ${stats.tokens === 1 ? 'token' : 'tokens'}`);
    if (stats.tokensPerSecond !== undefined) parts.push(`${short(stats.tokensPerSecond)} tokens/s`);
    parts.push(`first token ${stats.firstTokenMs < 1000 ? `${Math.round(stats.firstTokenMs)} ms` : `${short(stats.firstTokenMs / 1000)} s`}`);
    if (stats.promptTokens !== undefined) {
      parts.push(`prompt ${stats.promptTokens}${stats.cachedTokens ? ` (${stats.cachedTokens} cached)` : ''}`);
    }
  }
  return parts.join(' · ');
}

function short(value: number): string {
  return value < 100 ? value.toFixed(1) : Math.round(value).toString();
}
