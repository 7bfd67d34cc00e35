import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { attack } from '../mock_server.mjs';
import { close, load } from './load.mjs';

after(close);
const { parseMarkdown, parseInline, safeHref } = await load('text/markdown.ts');
const text = (value) => ({ kind: 'text', text: value });

test('only http and https are links, however they are written', () => {
  for (const bad of ['javascript:alert(1)', ' javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'java\tscript:alert(1)', 'data:text/html,x', 'vbscript:x',
    'file:///etc/passwd', '//evil.example', '/path', 'x', '', 'http:/x', 'https://', 'blob:https://x/y', '\u0000javascript:x']) {
    assert.equal(safeHref(bad), undefined, JSON.stringify(bad));
  }
  assert.equal(safeHref('HTTPS://Example.org/a b"<'), 'https://example.org/a%20b%22%3C');
});

test('an attack gives links to http(s) only, and every other byte of it as text', () => {
  const hrefs = [];
  let html = '';
  const walk = (node) => {
    if (Array.isArray(node)) return node.forEach(walk);
    if (typeof node !== 'object' || node === null) return;
    if (node.kind === 'link') hrefs.push(node.href);
    if (typeof node.text === 'string') html += node.text;
    Object.values(node).forEach(walk);
  };
  walk(parseMarkdown(attack));
  assert.ok(hrefs.length > 0);
  for (const href of hrefs) assert.match(href, /^https?:\/\/[^"<>\s]*$/);
  assert.ok(html.includes('<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'));
  assert.ok(html.includes('[click](javascript:window.hacked=1)'), 'a link that is none stays as it was written');
});

test('emphasis, code and links', () => {
  assert.deepEqual(parseInline('a **b** *c* `d*e*`'), [text('a '), { kind: 'strong', children: [text('b')] }, text(' '),
    { kind: 'em', children: [text('c')] }, text(' '), { kind: 'code', text: 'd*e*' }]);
  assert.deepEqual(parseInline('***b***'), [{ kind: 'strong', children: [{ kind: 'em', children: [text('b')] }] }]);
  assert.deepEqual(parseInline('snake_case_name and 2 * 3 * 4'), [text('snake_case_name and 2 * 3 * 4')]);
  assert.deepEqual(parseInline('``a`b``'), [{ kind: 'code', text: 'a`b' }]);
  assert.deepEqual(parseInline('\\*no\\*'), [text('*no*')]);
  assert.deepEqual(parseInline('see https://a.example/b_c_d.'), [text('see '), { kind: 'link', href: 'https://a.example/b_c_d', children: [text('https://a.example/b_c_d')] }, text('.')]);
  assert.deepEqual(parseInline('[x](https://a.example "t")'), [{ kind: 'link', href: 'https://a.example/', children: [text('x')] }]);
});

test('blocks', () => {
  const blocks = parseMarkdown('# T #\n\npara\nline\n\n- a\n  - b\n\n- c\n\n3. x\n4. y\n\n> q\n> r\n\n---\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```js\nx < 1\n\ny\n```\nend');
  assert.deepEqual(blocks.map((block) => block.kind), ['heading', 'paragraph', 'list', 'list', 'quote', 'rule', 'table', 'code', 'paragraph']);
  assert.equal(blocks[2].items.length, 2);
  assert.equal(blocks[2].items[0].blocks[1].kind, 'list');
  assert.equal(blocks[3].start, 3);
  assert.deepEqual(blocks[7], { kind: 'code', language: 'js', text: 'x < 1\n\ny' });
});

test('a fence that is still open is code already', () => {
  assert.deepEqual(parseMarkdown('a\n```py\nx = 1'), [{ kind: 'paragraph', children: [text('a')] }, { kind: 'code', language: 'py', text: 'x = 1' }]);
});

test('code inside of a list item stays in it', () => {
  const [list] = parseMarkdown('1. do\n\n   ```sh\n   ls\n     -l\n   ```\n2. then');
  assert.equal(list.items.length, 2);
  assert.deepEqual(list.items[0].blocks[1], { kind: 'code', language: 'sh', text: 'ls\n  -l' });
});

test('every beginning of a text is read, so streaming never throws', () => {
  for (let end = 0; end <= attack.length; end++) parseMarkdown(attack.slice(0, end));
});

// Slow is what takes long and grows with the square of the length; what merely takes long may be the machine's doing.
test('texts made to be slow are not', () => {
  const n = 20000;
  const least = (work) => {
    let ms = Infinity;
    for (let i = 0; i < 3; i++) {
      const start = performance.now();
      work();
      ms = Math.min(ms, performance.now() - start);
    }
    return ms;
  };
  for (const piece of ['*a ', '**a ', '_a ', '`a', '``a`', '[', '[a](', '<http://', '> ', '- ', '* * a', '|', '| - ', '~~a', '\\', 'http://(', '#  ', '***a', ' ', '\n> - ']) {
    const read = (count) => {
      parseMarkdown(piece.repeat(count));
      parseMarkdown(`# ${piece.repeat(count)}x`);
      parseMarkdown(`${piece.repeat(count)}) x`);
    };
    const all = least(() => read(n));
    const eighth = least(() => read(n / 8));
    assert.ok(all < 500 || all < 30 * eighth, `${JSON.stringify(piece)} took ${all.toFixed(0)} ms, an eighth of it ${eighth.toFixed(0)}`);
  }
});
