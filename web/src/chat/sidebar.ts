// The list of conversations; on narrow screens a drawer.
import { h, icon, iconButton } from '../ui/dom';
import type { Conversation } from './conversation';

export interface SidebarActions {
  open: (id: string) => void;
  begin: () => void;
  remove: (id: string) => void;
  clear: () => void;
}

export class Sidebar {
  private readonly list = h('ul', { class: 'conversations' });
  private readonly clear = h('button', { type: 'button', class: 'quiet clear', on: { click: () => this.askClear() } }, icon('trash'), 'Clear all');
  readonly root = h('nav', { class: 'sidebar', id: 'conversations', aria: { label: 'Conversations' } },
    h('button', { type: 'button', class: 'button new', on: { click: () => this.actions.begin() } }, icon('plus'), 'New conversation'),
    this.list, this.clear);

  constructor(private readonly actions: SidebarActions) {}

  show(conversations: readonly Conversation[], current: string): void {
    this.list.replaceChildren(...conversations.map((conversation) => {
      const open = h('button', { type: 'button', class: 'open', on: { click: () => this.actions.open(conversation.id) } }, conversation.title);
      if (conversation.id === current) open.setAttribute('aria-current', 'true');
      return h('li', {}, open, iconButton('trash', `Delete “${conversation.title}”`, () => this.actions.remove(conversation.id)));
    }));
    this.clear.hidden = conversations.length === 0;
  }

  private askClear(): void {
    if (window.confirm('Delete every conversation in this browser?')) this.actions.clear();
  }
}
