/** The looks of an inspection beside those that all pages share. What is trained differs by line and weight, not by colour alone. */

/** Rules of the style sheet. */
export const INSPECT_STYLE = `
:root{--trained:#0a58a8;--trained-back:#e3effb;--slot:#e9e3f6;--slot-line:#6a4bb0;--byte-line:#8a5a00}
@media (prefers-color-scheme:dark){:root{--trained:#7fb8f5;--trained-back:#1d3450;--slot:#2e2740;--slot-line:#b79cff;--byte-line:#f0c060}}
#mixture td:nth-child(3){min-width:8rem}
.share{white-space:nowrap}
.bar{display:inline-block;height:.7rem;margin-right:.5rem;background:var(--series-1);vertical-align:-1px;min-width:1px}
.key{list-style:none;padding:0;margin:.6rem 0;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:.5rem 1.6rem}
.key li{display:grid;grid-template-columns:9.5rem minmax(0,1fr);gap:.9rem;align-items:center}
.key .tokens{padding:0;background:none;border:0;justify-content:flex-end;overflow:visible;max-height:none}
.key p{margin:0;font-size:.92rem;line-height:1.35}
.sample{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:.8rem 1rem;margin:1rem 0;display:grid;grid-template-columns:minmax(0,260px) minmax(0,1fr);gap:.4rem 1.2rem;align-items:start}
.sample.text{grid-template-columns:minmax(0,1fr)}
.sample>header{grid-column:1/-1}
.words{min-width:0}
.sample h4{margin:0;font-size:1.05rem;overflow-wrap:anywhere}
.sample figcaption{font-size:.85rem;margin-top:.25rem;line-height:1.35;overflow-wrap:anywhere;color:var(--muted)}
.warnings{margin:.2rem 0}
.said{margin:0;min-width:0}
.said dt{color:var(--muted);font-size:.85rem}
.said dd{margin:0 0 .7rem;overflow-wrap:anywhere;white-space:pre-wrap;max-height:16rem;overflow-y:auto}
.said .answer{font-weight:600}
.tokens{display:flex;flex-wrap:wrap;gap:.3rem .15rem;align-items:flex-end;font:.84rem/1.25 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;padding:.6rem .7rem;background:var(--paper);border:1px solid var(--rule);border-radius:6px;max-height:26rem;overflow-y:auto}
.tokens:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.tokens span{display:inline-block;text-align:center;padding:.1rem .22rem 0;border-bottom:3px solid transparent;white-space:pre;unicode-bidi:isolate;max-width:100%;overflow-wrap:anywhere}
.tokens small{display:block;font-size:.68rem;line-height:1.3}
.tokens .s{outline:1px dashed var(--muted);outline-offset:-1px;border-radius:3px}
.tokens .i{background:repeating-linear-gradient(135deg,var(--slot) 0 6px,transparent 6px 10px);outline:1px solid var(--slot-line);outline-offset:-1px;padding:.1rem .6rem 0}
.tokens .y{color:var(--byte-line)}
.tokens .y b{color:var(--ink)}
.tokens .t{border-bottom-color:var(--trained);background:var(--trained-back);font-weight:700}
.tokens .t small{font-weight:400;color:var(--ink)}
.tokens .n{display:flex;align-items:flex-end;padding:0;border:0}
.tokens em{font:italic .8rem system-ui,sans-serif;color:var(--trained);align-self:center;padding:0 .25rem 0 .5rem}
.strip{display:flex;height:2.9rem;margin:.5rem 0 .2rem;font-size:.75rem;line-height:1}
.strip>span{container-type:inline-size;display:flex;flex-direction:column;min-width:0;flex-basis:0;border-left:2px solid var(--paper)}
.strip .parts{display:flex;height:1.5rem;outline:1px solid var(--rule);outline-offset:-1px}
.strip .parts i{flex-basis:0;min-width:0;background:var(--rule)}
.strip .parts .image{background:repeating-linear-gradient(135deg,var(--slot-line) 0 2px,var(--slot) 2px 6px)}
.strip .parts .supervised{background:var(--trained);border-bottom:5px double var(--panel)}
.strip .parts .empty{background:none}
.strip b{font-weight:600;padding:.25rem 0 0 1px;overflow:hidden;white-space:nowrap}
@container (max-width:1.7rem){.strip b{visibility:hidden}}
@container (max-width:2.7rem){.strip .wide{visibility:hidden}}
.swatch{display:inline-block;width:2.2rem}
.swatch.strip{display:inline-flex;height:1.1rem;margin:0 .4rem 0 0;vertical-align:-3px}
.swatch.strip .parts{height:1.1rem;flex:1}
.seen{display:grid;grid-template-columns:minmax(0,300px) minmax(0,1fr);gap:.6rem 1.6rem;align-items:start}
.mask{display:block;width:100%;max-width:340px;height:auto;font-size:11px}
.mask .sees{fill:var(--series-1)}
.mask .reads{fill:var(--series-1);fill-opacity:.45}
.mask .edge{stroke:var(--muted);stroke-width:1;fill:none}
.mask text{fill:var(--ink)}
.seen ul{margin:.2rem 0;padding-left:1.1rem;line-height:1.6;font-size:.92rem;max-height:20rem;overflow-y:auto}
@media (max-width:640px){.sample,.seen{grid-template-columns:minmax(0,1fr)}.sample figure{max-width:320px}.sample{padding:.7rem .7rem}}
@media print{.tokens,.said dd,.seen ul{max-height:none}.sample{break-inside:avoid}}
`;
