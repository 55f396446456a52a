/** The report's style sheet: one column of text, two of charts, light and dark. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --paper: #fbfaf7; --ink: #1d2327; --soft: #667078; --rule: #dedbd3; --card: #ffffff;
  --train: #0b6e8f; --held-out: #c8591b; --during: #9aa4aa; --warn: #a3325b; --ground: #efede7; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181b; --ink: #e6e8e6; --soft: #98a3aa; --rule: #2c3439;
  --card: #1a2024; --train: #56bcd8; --held-out: #f0965a; --during: #66727a; --warn: #e57fa6; --ground: #20272b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5; -webkit-font-smoothing: antialiased;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 3.5rem 1.5rem 5rem; }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Liberation Serif", Georgia, serif; font-weight: 600;
  letter-spacing: -0.01em; line-height: 1.15; text-wrap: balance; }
h1 { font-size: 2.6rem; margin: 0 0 0.4rem; }
h2 { font-size: 1.5rem; margin: 3.5rem 0 1.2rem; padding-top: 1.2rem; border-top: 1px solid var(--rule); }
h3 { font-size: 0.95rem; font-weight: 600; margin: 0; }
.facts { color: var(--soft); margin: 0; } .verdict + .facts { max-width: 46rem; margin: -0.8rem 0 1.8rem; }
.alarms { margin: 0; padding-left: 1.1rem; } .alarms li { margin: 0.4rem 0; } .alarms li::marker { color: var(--warn); }
.verdict { font-size: 1.2rem; max-width: 46rem; margin: 2rem 0 1.8rem; text-wrap: pretty; }
small { font-weight: 400; color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.headline { width: 100%; min-width: 44rem; table-layout: fixed; }
.headline tr:first-child > :first-child { width: 19%; }
.headline th, .headline td { padding: 0.55rem 0.5rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
.headline thead th, .headline thead td { border-bottom: 0; padding-bottom: 0; font-size: 0.85rem; color: var(--soft); font-weight: 400; }
.headline thead tr:first-child th { color: var(--ink); font-weight: 600; font-size: 0.95rem; }
.headline thead tr:first-child th:nth-child(2) { color: var(--train); }
.headline thead tr:first-child th:nth-child(3) { color: var(--held-out); }
.headline thead tr:last-child > * { padding-bottom: 0.4rem; border-bottom: 1px solid var(--rule); }
.headline th[scope=row] { text-align: left; font-weight: 500; padding-left: 0; }
.headline .tuned { font-weight: 600; }
.headline tbody .change { color: var(--soft); }
.small { font-size: 0.92rem; margin: 0.3rem 0 0; }
.scroll + h3 { margin-top: 2.2rem; }
.samples { display: grid; grid-template-columns: minmax(8rem, 13rem) repeat(var(--columns), 1fr); gap: 0.5rem 1.2rem; align-items: center; }
.samples .which { font-size: 0.85rem; color: var(--soft); }
.prompt { font-size: 0.95rem; text-wrap: balance; }
.pictures { image-rendering: pixelated; background-repeat: no-repeat; border-radius: 3px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(27rem, 100%), 1fr)); gap: 2.4rem 2.5rem; }
figure { margin: 0; min-width: 0; display: flex; flex-direction: column; }
figcaption p { margin: 0.1rem 0 0.7rem; color: var(--soft); font-size: 0.88rem; }
figure svg { margin-top: auto; }
figure > svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12px; font-variant-numeric: tabular-nums; }
.tick { fill: var(--soft); }
.grid { stroke: var(--rule); stroke-width: 1; }
.lead { max-width: 46rem; margin: 0 0 1rem; text-wrap: pretty; }
.legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1.6rem; margin: 0; font-size: 0.88rem; color: var(--soft); }
.legend span::before { content: ""; display: inline-block; width: 1.6rem; margin-right: 0.5rem; border-top: 3px solid; vertical-align: 0.25em; }
.legend .up::before { color: var(--train); } .legend .down::before { color: var(--warn); } .legend .out::before { border-top-width: 1.5px; color: var(--during); }
.round { margin: 2.2rem 0 1rem; font-size: 1.05rem; } .round small { display: block; font-size: 0.88rem; margin-top: 0.1rem; }
.trees { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(18.5rem, 100%), 1fr)); gap: 1rem; }
.trees + .charts { margin-top: 3rem; }
.sheet { position: absolute; } .crisp { image-rendering: pixelated; } .window { overflow: hidden; }
.tree { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: 0.9rem 1rem 0.7rem; }
.tree figcaption { font-weight: 600; font-size: 0.95rem; margin-bottom: 0.7rem; text-wrap: balance; }
.branch { fill: none; stroke-linecap: round; } .faded, .left-out .window { opacity: 0.45; }
.branch.out { stroke: var(--soft); } .branch.up { stroke: var(--train); } .branch.down { stroke: var(--warn); }
.node.out { fill: var(--soft); } .node.up { fill: var(--train); } .node.down { fill: var(--warn); }
.frame { fill: none; stroke: var(--rule); stroke-width: 1; }
.leaf.up .frame { stroke: var(--train); stroke-width: 2.5; } .leaf.down .frame { stroke: var(--warn); stroke-width: 2.5; }
.fork .frame { stroke: var(--soft); stroke-width: 1.5; }
svg .reward { fill: var(--ink); } svg .advantage { font-weight: 600; font-size: 13px; } svg .small-text { font-size: 10.5px; }
.leaf.up .advantage { fill: var(--train); } .leaf.down .advantage { fill: var(--warn); } .leaf.out .advantage, svg .left-out .reward { fill: var(--soft); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.during { stroke-width: 1.25; }
.dot { stroke: var(--paper); stroke-width: 1.5; }
.line.train { stroke: var(--train); } .dot.train, .label.train { fill: var(--train); }
.line.held-out { stroke: var(--held-out); } .dot.held-out, .label.held-out { fill: var(--held-out); }
.line.during { stroke: var(--during); } .dot.during { fill: var(--during); } .label.during { fill: var(--soft); }
.line.warn { stroke: var(--warn); } .dot.warn, .label.warn { fill: var(--warn); }
.label { font-weight: 600; }
.area { fill: var(--train); fill-opacity: 0.22; } .heat { fill: var(--warn); } .ground { fill: var(--ground); }
.health { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: 1.2rem 2rem; margin: 0; }
.health dt { color: var(--soft); font-size: 0.88rem; } .health dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
details { margin-top: 1rem; } summary { cursor: pointer; color: var(--soft); }
pre { overflow-x: auto; font-size: 0.82rem; line-height: 1.55; background: var(--card); border: 1px solid var(--rule);
  border-radius: 4px; padding: 1rem 1.2rem; font-family: ui-monospace, "SF Mono", "Liberation Mono", Menlo, Consolas, monospace; }
footer { margin-top: 3.5rem; padding-top: 1.2rem; border-top: 1px solid var(--rule); color: var(--soft); font-size: 0.88rem; }
@media (max-width: 40rem) { main { padding-top: 2rem; } h1 { font-size: 2rem; }
  .samples { grid-template-columns: repeat(var(--columns), 1fr); } .samples > div:first-child { display: none; } .prompt { grid-column: 1 / -1; margin-top: 0.7rem; } }
@media print { main { padding: 0; } figure, .samples { break-inside: avoid; } details { display: none; } }
`;
