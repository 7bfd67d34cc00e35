// A small Markdown: what models write, as values. Nothing here knows HTML; text stays text and render.ts makes nodes.
// Raw HTML, images and reference links are not read: they show as they were written.

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'break' }
  | { kind: 'strong' | 'em' | 'del'; children: Inline[] }
  | { kind: 'link'; href: string; children: Inline[] };

export interface Item {
  blocks: Block[];
}

export type Block =
  | { kind: 'paragraph'; children: Inline[] }
  | { kind: 'heading'; level: number; children: Inline[] }
  | { kind: 'code'; language: string; text: string }
  | { kind: 'list'; ordered: boolean; start: number; items: Item[] }
  | { kind: 'quote'; blocks: Block[] }
  | { kind: 'table'; header: Inline[][]; rows: Inline[][][] }
  | { kind: 'rule' };

// Nested deeper than this it is text: recursion must not follow what a model may write without end.
const maxDepth = 8;

const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const heading = /^ {0,3}(#{1,6})\s+(\S.*)$/;
const rule = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;
const bullet = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+)(?=\S)(.*)$/;
const quote = /^ {0,3}> ?/;
const tableRule = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

export function parseMarkdown(text: string): Block[] {
  return parseBlocks(text.replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n'), 0);
}

function parseBlocks(lines: string[], depth: number): Block[] {
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    let match: RegExpMatchArray | null;
    if (line.trim() === '') {
      at++;
    } else if ((match = line.match(fence))) {
      at = readFence(lines, at, match, blocks);
    } else if ((match = line.match(heading))) {
      blocks.push({ kind: 'heading', level: match[1]!.length, children: parseInline(match[2]!.trimEnd().replace(/ #+$/, '')) });
      at++;
    } else if (rule.test(line)) {
      blocks.push({ kind: 'rule' });
      at++;
    } else if (quote.test(line) && depth < maxDepth) {
      const start = at;
      while (at < lines.length && quote.test(lines[at]!)) at++;
      blocks.push({ kind: 'quote', blocks: parseBlocks(lines.slice(start, at).map((row) => row.replace(quote, '')), depth + 1) });
    } else if (bullet.test(line) && depth < maxDepth) {
      at = readList(lines, at, depth, blocks);
    } else if (line.includes('|') && tableRule.test(lines[at + 1] ?? '') && (lines[at + 1] ?? '').includes('-')) {
      at = readTable(lines, at, blocks);
    } else {
      const start = at;
      do at++;
      while (at < lines.length && !startsBlock(lines[at]!, depth));
      blocks.push({ kind: 'paragraph', children: parseInline(lines.slice(start, at).map((row) => row.trimStart()).join('\n')) });
    }
  }
  return blocks;
}

function startsBlock(line: string, depth: number): boolean {
  if (line.trim() === '' || fence.test(line) || heading.test(line) || rule.test(line)) return true;
  return depth < maxDepth && (quote.test(line) || bullet.test(line));
}

// A fence that is not closed runs to the end: that is how an answer looks while it is being written.
function readFence(lines: string[], at: number, open: RegExpMatchArray, blocks: Block[]): number {
  const mark = open[1]!;
  const indent = lines[at]!.length - lines[at]!.trimStart().length;
  const body: string[] = [];
  for (at++; at < lines.length; at++) {
    const line = lines[at]!;
    const trimmed = line.trim();
    if (trimmed.length >= mark.length && trimmed === mark[0]!.repeat(trimmed.length)) {
      at++;
      break;
    }
    body.push(line.slice(Math.min(indent, line.length - line.trimStart().length)));
  }
  blocks.push({ kind: 'code', language: open[2]!, text: body.join('\n') });
  return at;
}

function readList(lines: string[], at: number, depth: number, blocks: Block[]): number {
  const first = lines[at]!.match(bullet)!;
  const ordered = /\d/.test(first[2]!);
  const items: Item[] = [];
  while (at < lines.length) {
    const match = lines[at]!.match(bullet);
    if (!match || /\d/.test(match[2]!) !== ordered || rule.test(lines[at]!)) break;
    const indent = match[1]!.length + match[2]!.length + Math.min(match[3]!.length, 4);
    const body = [match[4]!];
    for (at++; at < lines.length; at++) {
      const line = lines[at]!;
      const spaces = line.length - line.trimStart().length;
      if (line.trim() === '') {
        const next = lines[at + 1] ?? '';
        // A blank line ends the item unless what follows is indented under it; models often indent by two only.
        if (next.length - next.trimStart().length < 2 || next.trim() === '') break;
        body.push('');
      } else if (spaces >= Math.min(indent, 2)) {
        body.push(line.slice(Math.min(spaces, indent)));
      } else if (startsBlock(line, depth)) {
        break;
      } else {
        body.push(line);
      }
    }
    items.push({ blocks: parseBlocks(body, depth + 1) });
    if (lines[at]?.trim() === '' && bullet.test(lines[at + 1] ?? '')) at++;
  }
  blocks.push({ kind: 'list', ordered, start: ordered ? parseInt(first[2]!, 10) : 1, items });
  return at;
}

function readTable(lines: string[], at: number, blocks: Block[]): number {
  const cells = (line: string) =>
    line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map((cell) => parseInline(cell.trim().replaceAll('\\|', '|')));
  const header = cells(lines[at]!);
  const rows: Inline[][][] = [];
  for (at += 2; at < lines.length && lines[at]!.includes('|'); at++) rows.push(cells(lines[at]!));
  blocks.push({ kind: 'table', header, rows });
  return at;
}

/** The address when it is http(s), in the form in which a browser reads it; undefined for everything else. */
export function safeHref(address: string): string | undefined {
  if (!/^https?:\/\//i.test(address)) return undefined;
  try {
    const url = new URL(address);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : undefined;
  } catch {
    return undefined;
  }
}

const inlineStart = /[\\`*_~[<h\n]/g;
const bareLink = /^https?:\/\/[^\s<>"'`]+/i;

export function parseInline(text: string, depth = 0): Inline[] {
  const out: Inline[] = [];
  // Marks that nothing after them closes; who looked once for each need not look again, so the time stays linear.
  const unclosed = new Set<string>();
  let plain = '';
  const flush = () => {
    if (plain !== '') out.push({ kind: 'text', text: plain });
    plain = '';
  };
  let at = 0;
  while (at < text.length) {
    inlineStart.lastIndex = at;
    const found = inlineStart.exec(text);
    const next = found ? found.index : text.length;
    plain += text.slice(at, next);
    at = next;
    if (!found) break;
    const hit = depth < maxDepth ? readInline(text, at, depth, unclosed) : undefined;
    if (hit) {
      flush();
      out.push(hit.node);
      at = hit.end;
    } else if (text[at] === '\\' && /[!-/:-@[-`{-~]/.test(text[at + 1] ?? '')) {
      plain += text[at + 1]!;
      at += 2;
    } else {
      // A mark that opens nothing is text, with all its equals: else `****` would be looked at four times.
      const run = text[at] === 'h' || text[at] === '\\' ? 1 : runLength(text, at);
      plain += text.slice(at, at + run);
      at += run;
    }
  }
  flush();
  return out;
}

function runLength(text: string, at: number): number {
  let end = at;
  while (end < text.length && text[end] === text[at]) end++;
  return end - at;
}

interface Hit {
  node: Inline;
  end: number;
}

function readInline(text: string, at: number, depth: number, unclosed: Set<string>): Hit | undefined {
  switch (text[at]) {
    case '\n':
      return { node: { kind: 'break' }, end: at + 1 };
    case '`': {
      const run = runLength(text, at);
      const mark = '`'.repeat(run);
      if (unclosed.has(mark)) return undefined;
      for (let end = text.indexOf(mark, at + run); end >= 0; end = text.indexOf(mark, end)) {
        const closing = runLength(text, end);
        if (closing === run) {
          const code = text.slice(at + run, end).replaceAll('\n', ' ');
          return { node: { kind: 'code', text: /^ .* $/.test(code) && code.trim() !== '' ? code.slice(1, -1) : code }, end: end + run };
        }
        end += closing;
      }
      unclosed.add(mark);
      return undefined;
    }
    case '*':
    case '_':
    case '~':
      return readEmphasis(text, at, depth, unclosed);
    case '[': {
      if (unclosed.has(')')) return undefined;
      if (!text.includes(')', at)) {
        unclosed.add(')');
        return undefined;
      }
      // The address is looked at once: \2 takes all that the lookahead found, or nothing.
      const label = text.slice(at).match(/^\[((?:[^[\]\\]|\\.){1,1000})\]\(\s*<?(?=([^\s<>][^\s<>)]{0,3999}))\2>?(?:\s+"[^"]*")?\s*\)/);
      const href = label ? safeHref(label[2]!) : undefined;
      if (!label || href === undefined) return undefined;
      return { node: { kind: 'link', href, children: parseInline(label[1]!, maxDepth - 1) }, end: at + label[0].length };
    }
    case '<': {
      const auto = text.slice(at, at + 4000).match(/^<(https?:\/\/[^\s<>]+)>/i);
      const href = auto ? safeHref(auto[1]!) : undefined;
      if (!auto || href === undefined) return undefined;
      return { node: { kind: 'link', href, children: [{ kind: 'text', text: auto[1]! }] }, end: at + auto[0].length };
    }
    case 'h': {
      if (at > 0 && /[\w/]/.test(text[at - 1]!)) return undefined;
      const bare = text.slice(at, at + 4000).match(bareLink)?.[0].replace(/[.,;:!?*_~]+$/, '');
      const address = bare && !bare.includes('(') ? bare.replace(/\)+$/, '') : bare;
      const href = address ? safeHref(address) : undefined;
      if (!address || href === undefined) return undefined;
      return { node: { kind: 'link', href, children: [{ kind: 'text', text: address }] }, end: at + address.length };
    }
    default:
      return undefined;
  }
}

function readEmphasis(text: string, at: number, depth: number, unclosed: Set<string>): Hit | undefined {
  const mark = text[at]!;
  const run = runLength(text, at);
  const width = mark === '~' ? 2 : Math.min(run, 2);
  if (run < width || run > 3) return undefined;
  if (/\s/.test(text[at + run] ?? ' ')) return undefined;
  // snake_case is no emphasis
  if (mark === '_' && /\w/.test(text[at - 1] ?? '')) return undefined;
  const closing = mark.repeat(width);
  if (unclosed.has(closing)) return undefined;
  for (let end = text.indexOf(closing, at + run); end >= 0; end = text.indexOf(closing, end)) {
    const there = runLength(text, end);
    const fits = width === 1 ? there === 1 || there === 3 : there >= 2;
    const open = /\s/.test(text[end - 1]!) || (mark === '_' && /\w/.test(text[end + there] ?? ''));
    if (fits && !open && end > at + width) {
      const stop = end + there - width;
      const children = parseInline(text.slice(at + width, stop), depth + 1);
      return { node: { kind: mark === '~' ? 'del' : width === 2 ? 'strong' : 'em', children }, end: stop + width };
    }
    end += there;
  }
  unclosed.add(closing);
  return undefined;
}
