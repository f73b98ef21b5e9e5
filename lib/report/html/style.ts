/** The looks of the page in light and dark; charts take their colours from the variables. */

/** Colours with a contrast of at least 4.5 to 1 against the page for text, 3 to 1 for lines and signs. */
const LIGHT = `--paper:#fcfcfd;--panel:#fff;--ink:#1b1f24;--muted:#57606a;--rule:#d5dae0;--link:#0a58a8;
--series-1:#0b63b0;--series-2:#b8500c;--series-3:#177a4b;--series-4:#7a3fc4;--series-5:#a8185f;--series-6:#6b5a00;
--right:#13693f;--partly:#7a5200;--wrong:#a81c1c;--warning:#8a5a00`;
const DARK = `--paper:#14171b;--panel:#1b1f25;--ink:#e6e9ed;--muted:#a3acb7;--rule:#363d46;--link:#7fb8f5;
--series-1:#6cb0f2;--series-2:#f2a063;--series-3:#5fcf93;--series-4:#c3a2ff;--series-5:#ff8fbd;--series-6:#dcc34f;
--right:#6fd39c;--partly:#e8bd5a;--wrong:#ff9a94;--warning:#f0c060`;

/** The style sheet. */
export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
html{scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0 auto;max-width:1180px;padding:1.5rem clamp(.9rem,3vw,2.2rem) 4rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.4rem;margin:3rem 0 .7rem;padding-bottom:.3rem;border-bottom:1px solid var(--rule)}
h3{font-size:1.05rem;margin:1.8rem 0 .6rem}
p{margin:.5rem 0;max-width:75ch}
a{color:var(--link)}
.note,small{color:var(--muted);font-size:.85rem;font-weight:400}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.facts{display:flex;flex-wrap:wrap;gap:.7rem 2.2rem;margin:0 0 1rem}
.facts dt{color:var(--muted);font-size:.85rem}
.facts dd{margin:0;font-weight:600;overflow-wrap:anywhere}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;list-style:none;margin:0;padding:0}
.warnings{padding-left:1.2rem}
.warnings li::marker{color:var(--warning);content:"▲ "}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:1.4rem}
.charts.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,270px),1fr))}
figure{margin:0}
.chart{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:.7rem .8rem .5rem;margin:.4rem 0;min-width:0}
.charts .chart{margin:0}
.chart figcaption{margin-bottom:.3rem;overflow-wrap:anywhere}
.chart>svg{display:block;width:100%;height:auto;font-variant-numeric:tabular-nums}
.chart svg text{white-space:pre}
.told circle:hover{fill-opacity:1}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;margin:.4rem 0;padding:0;font-size:.9rem}
.legend li{overflow-wrap:anywhere}
.glyph svg{display:inline-block;width:14px;height:14px;vertical-align:-2px;margin-right:.35rem}
.frame{overflow-x:auto;margin:.8rem 0}
.frame:focus-visible,pre:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding-bottom:.35rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--rule)}
caption:has(.hidden){padding:0}
thead th{color:var(--muted);font-weight:600;white-space:nowrap}
tbody th{font-weight:600}
.number{text-align:right;white-space:nowrap}
th small,td small{display:block;line-height:1.3;font-weight:400}
.below{padding-left:1.2rem;font-weight:400}
details{margin:.7rem 0}
summary{cursor:pointer;font-weight:600;padding:.2rem 0}
pre{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:.8rem;overflow:auto;max-height:32rem;font-size:.82rem;line-height:1.45}
code{font-size:.88em;overflow-wrap:anywhere}
.scenes{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,520px),1fr));gap:1.4rem;align-items:start}
.scene{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:.7rem .9rem;min-width:0}
.scene h3{margin:0 0 .5rem;overflow-wrap:anywhere}
.definitions{position:absolute}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:.6rem}
.pictures:has(figure:only-child){grid-template-columns:minmax(0,260px)}
.picture{display:block;width:100%;height:auto;border-radius:4px}
.pictures figcaption{font-size:.85rem;margin-top:.2rem;line-height:1.3;overflow-wrap:anywhere}
.sayings{list-style:none;margin:.7rem 0 0;padding:0;font-size:.92rem}
.sayings li{margin:.35rem 0;overflow-wrap:anywhere}
.answers th,.answers td{font-size:.85rem;overflow-wrap:anywhere;min-width:6.5rem}
.answers tbody th{font-weight:400;min-width:9rem}
.verdict{white-space:nowrap;font-weight:600}
.right{color:var(--right)}
.partly{color:var(--partly)}
.wrong{color:var(--wrong)}
@media print{body{max-width:none;padding:0}.chart,.scene{break-inside:avoid}}
`;
