// Where a message is written: Enter sends, Shift+Enter begins a line; the button stops while an answer is written.
import { h, icon } from '../ui/dom';

export interface ComposerActions {
  send: (text: string) => void;
  stop: () => void;
}

export class Composer {
  private readonly area = h('textarea', {
    id: 'message', rows: 1, placeholder: 'Write a message', enterKeyHint: 'send', autocomplete: 'off',
    aria: { label: 'Message', describedby: 'message-help' },
  });
  private readonly button = h('button', { type: 'submit', class: 'send' });
  private busy = false;
  readonly root = h('form', { class: 'composer', aria: { label: 'New message' } },
    h('div', { class: 'field' }, this.area, this.button),
    h('p', { id: 'message-help', class: 'help' }, 'Enter sends, Shift+Enter begins a new line, Escape stops. Answers may be wrong.'));

  constructor(private readonly actions: ComposerActions) {
    this.root.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    this.area.addEventListener('input', () => this.changed());
    this.area.addEventListener('keydown', (event) => {
      // isComposing: that Enter chooses a word of an input method.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.busy) this.submit();
    });
    this.setBusy(false);
  }

  setBusy(busy: boolean): void {
    this.busy = busy;
    const label = busy ? 'Stop' : 'Send';
    this.button.replaceChildren(icon(busy ? 'stop' : 'send'));
    this.button.title = busy ? 'Stop (Escape)' : 'Send (Enter)';
    this.button.setAttribute('aria-label', label);
    this.button.classList.toggle('stop', busy);
    this.changed();
  }

  focus(): void {
    this.area.focus();
  }

  private submit(): void {
    if (this.busy) return this.actions.stop();
    const text = this.area.value.trim();
    if (text === '') return;
    this.area.value = '';
    this.changed();
    this.actions.send(text);
  }

  private changed(): void {
    this.button.disabled = !this.busy && this.area.value.trim() === '';
    // As high as its text; the style sheet bounds it.
    this.area.style.height = 'auto';
    this.area.style.height = `${this.area.scrollHeight}px`;
  }
}
