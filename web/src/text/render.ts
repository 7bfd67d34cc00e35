// Markdown's values as nodes, made anew only from the first block that changed: an answer grows at its end, and what
// stands above keeps its selection, its folded state and its copy buttons.
import { h, icon } from '../ui/dom';
import { type Block, type Inline, parseMarkdown } from './markdown';

export class MarkdownView {
  readonly root = h('div', { class: 'markdown' });
  private shown: string[] = [];

  update(text: string): void {
    const blocks = parseMarkdown(text);
    const keys = blocks.map((block) => JSON.stringify(block));
    let same = 0;
    while (same < keys.length && keys[same] === this.shown[same]) same++;
    while (this.root.childNodes.length > same) this.root.lastChild!.remove();
    this.root.append(...blocks.slice(same).map(blockNode));
    this.shown = keys;
  }
}

function blockNode(block: Block): HTMLElement {
  switch (block.kind) {
    case 'paragraph':
      return h('p', {}, ...inlineNodes(block.children));
    case 'heading': // the page has its own h1 and h2
      return h(`h${Math.min(block.level + 2, 6)}` as 'h3', {}, ...inlineNodes(block.children));
    case 'code':
      return codeBlock(block.text, block.language);
    case 'list': {
      const items = block.items.map((item) => h('li', {}, ...itemNodes(item.blocks)));
      return block.ordered ? h('ol', { start: block.start }, ...items) : h('ul', {}, ...items);
    }
    case 'quote':
      return h('blockquote', {}, ...block.blocks.map(blockNode));
    case 'rule':
      return h('hr');
    case 'table':
      return h('div', { class: 'table', tabIndex: 0, role: 'group', aria: { label: 'Table' } }, h('table', {},
        h('thead', {}, h('tr', {}, ...block.header.map((cell) => h('th', { scope: 'col' }, ...inlineNodes(cell))))),
        h('tbody', {}, ...block.rows.map((row) => h('tr', {}, ...row.map((cell) => h('td', {}, ...inlineNodes(cell))))))));
  }
}

// An item of one paragraph needs no <p> and none of its margins.
function itemNodes(blocks: Block[]): Node[] {
  return blocks.flatMap((block, i) => (i === 0 && block.kind === 'paragraph' ? inlineNodes(block.children) : [blockNode(block)]));
}

function inlineNodes(inlines: Inline[]): Node[] {
  return inlines.map((inline) => {
    switch (inline.kind) {
      case 'text':
        return document.createTextNode(inline.text);
      case 'code':
        return h('code', {}, inline.text);
      case 'break':
        return h('br');
      case 'link':
        return h('a', { href: inline.href, rel: 'noopener noreferrer', target: '_blank' }, ...inlineNodes(inline.children));
      default:
        return h(inline.kind, {}, ...inlineNodes(inline.children));
    }
  });
}

/** Code with its language and a button that copies it. */
export function codeBlock(text: string, title: string): HTMLElement {
  const copy = h('button', { type: 'button', class: 'copy' }, icon('copy'), 'Copy');
  copy.addEventListener('click', () => copyText(copy, text));
  return h('figure', { class: 'code' },
    h('figcaption', {}, h('span', {}, title), copy),
    h('pre', { tabIndex: 0 }, h('code', {}, text)));
}

/** Copies and says so on the button for two seconds. */
export function copyText(button: HTMLButtonElement, text: string): void {
  const label = [...button.childNodes];
  const say = (name: 'check' | 'close', word: string) => {
    button.replaceChildren(icon(name), word);
    setTimeout(() => button.replaceChildren(...label), 2000);
  };
  // Only pages from https or this very machine may use the clipboard.
  const done = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'));
  done.then(() => say('check', 'Copied'), () => (copyBySelection(button, text) ? say('check', 'Copied') : say('close', 'Not copied')));
}

function copyBySelection(button: HTMLElement, text: string): boolean {
  const area = h('textarea', { value: text, readOnly: true, class: 'off-screen' });
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  button.focus();
  return copied;
}
