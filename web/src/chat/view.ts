// The chat: conversations, the one that is shown, and the answer that is being written, one at a time.
import { failureOf } from '../api/failure';
import { askKey } from '../settings/dialogs';
import { settings } from '../settings/settings';
import { h } from '../ui/dom';
import { requestOf, runAnswer } from './answer';
import { Composer } from './composer';
import {
  type Answer, type Conversation, forgetConversation, loadConversations, newAnswer, newConversation, saveConversation, titleOf,
} from './conversation';
import { currentModel, modelToAsk } from './models';
import { Sidebar } from './sidebar';
import { Thread } from './thread';

const saveEveryMs = 1000;

export class ChatView {
  private conversations = loadConversations();
  private current = this.conversations[0] ?? newConversation();
  private running: { conversation: Conversation; abort: AbortController } | undefined;
  private saved = 0;
  private leaving = false;
  private readonly notice = h('p', { class: 'notice', role: 'alert', hidden: true });
  private readonly status = h('p', { class: 'off-screen', role: 'status' });
  private readonly thread = new Thread({ again: () => this.again(), askKey: () => this.enterKey() });
  private readonly composer = new Composer({ send: (text) => this.send(text), stop: () => this.stop() });
  private readonly sidebar = new Sidebar({
    open: (id) => this.open(id), begin: () => this.begin(), remove: (id) => this.remove(id), clear: () => this.clear(),
  });
  private readonly shade = h('div', { class: 'shade', on: { click: () => this.showDrawer(false) } });
  private menu: HTMLButtonElement | undefined;
  readonly root = h('div', { class: 'chat' }, this.sidebar.root, this.shade,
    h('main', { class: 'talk', id: 'main' }, this.notice, this.thread.root, this.composer.root, this.status));

  constructor() {
    this.draw();
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      if (this.root.classList.contains('drawer')) this.showDrawer(false);
      else this.stop();
    });
    // Saved as it is, so without its end; what the browser then does to its connection is nobody's failure.
    window.addEventListener('pagehide', () => {
      if (this.running) this.save(this.running.conversation);
      this.leaving = true;
      this.stop();
    });
    window.addEventListener('pageshow', () => (this.leaving = false));
  }

  /** The button that opens the list where there is no room for it beside the messages. */
  setMenu(button: HTMLButtonElement): void {
    this.menu = button;
    button.setAttribute('aria-controls', this.sidebar.root.id);
    button.addEventListener('click', () => this.showDrawer(!this.root.classList.contains('drawer')));
    this.showDrawer(false);
  }

  focus(): void {
    this.composer.focus();
  }

  /** After it was put back on the page: what was laid out without it is laid out anew. */
  shown(): void {
    this.draw();
    // A finger that wants to read does not want the keyboard.
    if (window.matchMedia('(pointer: fine)').matches) this.focus();
  }

  private showDrawer(open: boolean): void {
    const was = this.root.classList.contains('drawer');
    this.root.classList.toggle('drawer', open);
    this.menu?.setAttribute('aria-expanded', String(open));
    if (open) this.sidebar.root.querySelector('button')?.focus();
    else if (was) this.menu?.focus();
  }

  private draw(): void {
    this.thread.show(this.current);
    this.sidebar.show(this.conversations, this.current.id);
    this.composer.setBusy(this.running?.conversation === this.current);
  }

  private open(id: string): void {
    const found = this.conversations.find((conversation) => conversation.id === id);
    if (found === undefined) return;
    this.current = found;
    this.showDrawer(false);
    this.draw();
    this.focus();
  }

  private begin(): void {
    this.current = newConversation();
    this.showDrawer(false);
    this.draw();
    this.focus();
  }

  private remove(id: string): void {
    if (this.running?.conversation.id === id) this.stop();
    forgetConversation(id);
    this.conversations = this.conversations.filter((conversation) => conversation.id !== id);
    if (this.current.id === id) this.current = this.conversations[0] ?? newConversation();
    this.draw();
    this.focus();
  }

  private clear(): void {
    this.stop();
    this.conversations.forEach((conversation) => forgetConversation(conversation.id));
    this.conversations = [];
    this.begin();
  }

  private send(text: string): void {
    if (this.running) this.stop();
    const conversation = this.current;
    if (conversation.messages.length === 0) {
      conversation.title = titleOf(text);
      this.conversations.unshift(conversation);
    }
    conversation.messages.push({ role: 'user', content: text });
    void this.answer(conversation);
  }

  private again(): void {
    if (this.running) return;
    const { messages } = this.current;
    if (messages.at(-1)?.role === 'assistant') messages.pop();
    if (messages.length > 0) void this.answer(this.current);
    this.focus();
  }

  private enterKey(): void {
    void askKey().then((given) => given && this.again());
  }

  private stop(): void {
    this.running?.abort.abort();
  }

  private async answer(conversation: Conversation): Promise<void> {
    const abort = new AbortController();
    const running = { conversation, abort };
    this.running = running;
    const answer = newAnswer(currentModel());
    const history = [...conversation.messages];
    conversation.messages.push(answer);
    conversation.changed = Date.now();
    this.conversations = [conversation, ...this.conversations.filter((other) => other !== conversation)];
    this.save(conversation);
    this.draw();
    this.status.textContent = 'The answer is being written.';
    try {
      answer.model = await modelToAsk();
      const request = requestOf(history, answer.model, settings());
      await runAnswer(answer, request, abort.signal, () => this.progress(conversation, answer));
    } catch (error) {
      answer.finish = 'interrupted';
      answer.failure = failureOf(error);
    }
    if (this.running === running) this.running = undefined;
    this.progress(conversation, answer);
    this.save(conversation);
    this.composer.setBusy(this.running !== undefined && this.running.conversation === this.current);
    this.status.textContent = answer.failure ? '' : answer.finish === 'stopped' ? 'Stopped.' : 'The answer is complete.';
    if (answer.failure?.kind === 'key') this.enterKey();
  }

  private progress(conversation: Conversation, answer: Answer): void {
    if (conversation === this.current) this.thread.refresh(answer);
    if (Date.now() - this.saved > saveEveryMs) this.save(conversation);
  }

  private save(conversation: Conversation): void {
    this.saved = Date.now();
    if (this.leaving || !this.conversations.includes(conversation)) return; // deleted while its answer was being written
    const kept = saveConversation(conversation);
    this.notice.hidden = kept;
    if (!kept) this.notice.textContent = 'This browser’s storage is full or forbidden, so this conversation ends with the page; delete old ones to make room.';
  }
}
