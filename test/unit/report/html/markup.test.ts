import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fragment, html, markupOf, plainText, trusted } from '../../../../lib/report/html/markup.ts';

test('what is inserted is text, in content and in attributes', () => {
  const text = `<b title="x">&'`;
  assert.equal(
    markupOf(html`<p title="${text}">${text}</p>`),
    `<p title="&lt;b title=&quot;x&quot;&gt;&amp;&#39;">&lt;b title=&quot;x&quot;&gt;&amp;&#39;</p>`,
  );
});

test('markup inside markup is not escaped again; lists follow one another; nothing is nothing', () => {
  const items = ['a', '<', 3].map((item) => html`<li>${item}</li>`);
  assert.equal(
    markupOf(html`<ul>${items}${undefined}${false}${0}</ul>`),
    '<ul><li>a</li><li>&lt;</li><li>3</li>0</ul>',
  );
});

test('no object from a file passes for markup', () => {
  const forged = JSON.parse('{"markup":"<script>","Symbol(markup)":"<script>"}') as Fragment;
  assert.equal(markupOf(html`${forged}`), '[object Object]');
  assert.equal(markupOf(trusted('<b>')), '<b>');
});

test('characters that HTML forbids are replaced, all others stay', () => {
  assert.equal(plainText('a\0b\u001bc\u0085d\ufffee\ud800f'), 'a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf');
  const kept = 'tab\tline\nend\r é 中 😀 \u202e';
  assert.equal(plainText(kept), kept);
});
