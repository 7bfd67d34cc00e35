// The messages of one conversation and the scrolling: it follows the answer unless the reader scrolled away from it.
import { h, iconButton } from '../ui/dom';
import type { Answer, Conversation } from './conversation';
import { type AnswerActions, AnswerView, questionNode } from './message_view';

export class Thread {
  private readonly list = h('div', { class: 'messages', role: 'log', aria: { label: 'Conversation', live: 'polite' } });
  private readonly toEnd = iconButton('down', 'Go to the newest message', () => this.scrollToEnd(true), 'to-end');
  private readonly scroller = h('div', { class: 'scroller' }, this.list);
  readonly root = h('div', { class: 'thread' }, this.scroller, this.toEnd);
  private views: AnswerView[] = [];
  private frame = 0;
  private following = true;

  constructor(private readonly actions: AnswerActions) {
    this.scroller.addEventListener('scroll', () => {
      const below = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
      this.following = below < 48;
      this.toEnd.hidden = this.following;
    }, { passive: true });
    new ResizeObserver(() => this.following && this.scrollToEnd(false)).observe(this.scroller);
    this.toEnd.hidden = true;
  }

  show(conversation: Conversation): void {
    this.views.forEach((view) => view.close());
    this.views = [];
    const { messages } = conversation;
    const nodes = messages.map((message, i) => {
      if (message.role === 'user') return questionNode(message);
      const view = new AnswerView(message, this.actions);
      view.update(i === messages.length - 1);
      this.views.push(view);
      return view.root;
    });
    this.list.replaceChildren(...(nodes.length > 0 ? nodes : [welcome()]));
    this.root.classList.toggle('empty', nodes.length === 0);
    this.scrollToEnd(false);
  }

  /** Draws the answer at the next frame, however many pieces come until then. */
  refresh(answer: Answer): void {
    // Announced whole at the end: aria-busy holds screen readers back while it grows.
    this.list.setAttribute('aria-busy', String(answer.finish === undefined));
    if (answer.finish !== undefined) return this.draw(answer);
    // A hidden tab has no frames; the timer there is enough.
    this.frame ||= document.hidden ? window.setTimeout(() => this.draw(answer), 500) : requestAnimationFrame(() => this.draw(answer));
  }

  private draw(answer: Answer): void {
    this.frame = 0;
    const view = this.views.find((candidate) => candidate.answer === answer);
    view?.update(view === this.views.at(-1));
    if (this.following) this.scrollToEnd(false);
  }

  private scrollToEnd(smooth: boolean): void {
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' });
  }
}

function welcome(): HTMLElement {
  return h('div', { class: 'welcome' }, h('h2', {}, 'Ask something'),
    h('p', {}, 'Messages go to this server only and are kept in this browser.'));
}
