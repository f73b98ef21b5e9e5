/** What every page is: one document that needs nothing else, no script, no fetch. */

import { type Html, html, markupOf, trusted } from './markup.ts';
import { STYLE } from './style.ts';

/** Tells a page of this program from any other. */
export const GENERATOR = '<meta name="generator" content="tristage">';

/**
 * A whole page as text.
 * @param parts style: rules beside those that all pages share
 */
export function documentText({ title, body, style = '' }: { title: string; body: Html; style?: string }): string {
  return markupOf(html`${trusted('<!doctype html>')}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${trusted(GENERATOR)}
<title>${title} · tristage</title>
<style>${trusted(STYLE + style)}</style>
</head>
<body>
${body}
</body>
</html>
`);
}
