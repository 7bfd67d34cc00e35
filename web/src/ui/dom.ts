// Elements from values. Text becomes text nodes only, so nothing that a model writes is ever read as HTML.

type Child = Node | string | undefined | false;
type Props<K extends keyof HTMLElementTagNameMap> = {
  [P in keyof HTMLElementTagNameMap[K] as HTMLElementTagNameMap[K][P] extends (...args: never[]) => unknown ? never : P]?: HTMLElementTagNameMap[K][P];
};
interface Extra {
  class?: string;
  aria?: Record<string, string>;
  role?: string;
  on?: Partial<{ [E in keyof HTMLElementEventMap]: (event: HTMLElementEventMap[E]) => void }>;
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props<K> & Extra = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const { class: name, aria, role, on, ...rest } = props as Extra & Record<string, unknown>;
  if (name !== undefined) element.className = name;
  if (role !== undefined) element.setAttribute('role', role);
  for (const [key, value] of Object.entries(aria ?? {})) element.setAttribute(`aria-${key}`, value);
  for (const [event, handler] of Object.entries(on ?? {})) element.addEventListener(event, handler as EventListener);
  Object.assign(element, rest);
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

const svg = 'http://www.w3.org/2000/svg';

/** Strokes in a square of 24; said by the button's own label, so hidden from screen readers. */
const icons = {
  plus: 'M12 5v14M5 12h14',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5',
  menu: 'M4 6h16M4 12h16M4 18h16',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  close: 'M6 6l12 12M18 6L6 18',
  trash: 'M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  again: 'M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5',
  down: 'M12 5v14M6 13l6 6 6-6',
  check: 'M5 12l5 5 9-10',
} as const;

export function icon(name: keyof typeof icons): SVGElement {
  const element = document.createElementNS(svg, 'svg');
  element.setAttribute('viewBox', '0 0 24 24');
  element.setAttribute('class', 'icon');
  element.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(svg, 'path');
  path.setAttribute('d', icons[name]);
  element.append(path);
  return element;
}

/** A square button with an icon only; `label` is its name for those who hear and a hint for those who point. */
export function iconButton(name: keyof typeof icons, label: string, onClick: () => void, extra = ''): HTMLButtonElement {
  return h('button', { type: 'button', class: `icon-button ${extra}`.trim(), title: label, aria: { label }, on: { click: onClick } }, icon(name));
}
