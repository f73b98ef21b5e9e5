import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STYLE } from '../../../../lib/report/html/style.ts';

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
function schemes(): Map<string, string>[] {
  return [...STYLE.matchAll(/:root\{([^}]*)\}/g)].map(
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
