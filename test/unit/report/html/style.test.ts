import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STYLE } from '../../../../lib/report/html/style.ts';
import { INSPECT_STYLE } from '../../../../lib/report/inspect/style.ts';

/** Relative luminance and contrast as the web's rules for readable content define them. */
function luminance(colour: string): number {
  const digits =
    colour.length === 4 ? [...colour.slice(1)].map((digit) => digit + digit) : colour.slice(1).match(/../g);
  const [red = 0, green = 0, blue = 0] = (digits ?? []).map((pair) => {
    const value = Number.parseInt(pair, 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

/** The variables of each colour scheme. */
function schemes(style = STYLE): Map<string, string>[] {
  return [...style.matchAll(/:root\{([^}]*)\}/g)].map(
    ([, body = '']) =>
      new Map([...body.matchAll(/--([\w-]+):(#[0-9a-f]{3,6})/g)].map(([, name = '', colour = '']) => [name, colour])),
  );
}

test('text and signs stand out from the page in light and in dark', () => {
  assert.equal(contrast('#000', '#ffffff'), 21);
  assert.equal(schemes().length, 2);
  for (const colours of schemes()) {
    for (const [name, colour] of colours) {
      const least = name.startsWith('series') ? 3 : ['paper', 'panel', 'rule'].includes(name) ? 1 : 4.5;
      for (const ground of ['paper', 'panel']) {
        const found = contrast(colour, colours.get(ground) as string);
        assert.ok(found >= least, `${name} on ${ground}: ${found.toFixed(2)}`);
      }
    }
    assert.ok(colours.size >= 16);
  }
});

test('tokens can be read and told apart in light and in dark', () => {
  const own = schemes(INSPECT_STYLE);
  assert.equal(own.length, 2);
  for (const [place, shared] of schemes().entries()) {
    const colours = new Map([...shared, ...(own[place] ?? [])]);
    const pairs = [
      ['ink', 'trained-back', 4.5],
      ['ink', 'slot', 4.5],
      ['byte-line', 'trained-back', 4.5],
      ['byte-line', 'paper', 4.5],
      ['trained', 'paper', 4.5],
      ['trained', 'panel', 4.5],
      ['trained', 'rule', 3],
      ['trained', 'trained-back', 3],
      ['slot-line', 'paper', 3],
      ['slot-line', 'slot', 3],
    ] as const;
    for (const [sign, ground, least] of pairs) {
      const found = contrast(colours.get(sign) as string, colours.get(ground) as string);
      assert.ok(found >= least, `${sign} on ${ground}: ${found.toFixed(2)}`);
    }
  }
});
