"""What the benchmarks found, as Markdown, as JSON and as a page with plots.

A row is {"group", "name", "unit", "rate", "target", "values": {place: [figure, ...]}}, a figure of each round; "rate"
rows are better when greater. The ratio of a place is the median over rounds of its time by native's in the same round.
"""

import html
import json
import statistics

COLOURS = {"runc": "#8da0cb", "crun": "#66c2a5", "gvisor": "#fc8d62", "ours": "#1f78b4", "before": "#b2df8a"}


def ratios(row, place):
    """Of each round: how many times slower than native."""
    pairs = zip(row["values"].get(place, []), row["values"].get("native", []))
    return [(base / mine if row["rate"] else mine / base) for mine, base in pairs if mine and base]


def median_ratio(row, place):
    found = ratios(row, place)
    return statistics.median(found) if found else None


def spread(row, place):
    """(least, greatest) ratio of all rounds."""
    found = ratios(row, place)
    return (min(found), max(found)) if found else None


def native_text(row):
    values = [v for v in row["values"].get("native", []) if v]
    if not values:
        return "-"
    middle = statistics.median(values)
    return f"{middle:.3g} {row['unit']}" if middle < 1e4 else f"{middle:,.0f} {row['unit']}"


def missed(row, place="ours"):
    ratio = median_ratio(row, place)
    return row.get("target") is not None and (ratio is None or ratio > row["target"])


def markdown(rows, places):
    """The table: native's figure, then each place's ratio to native; bold where ours misses its target."""
    shown = [p for p in places if p != "native"]
    lines = ["| group | case | native | " + " | ".join(shown) + " | target |",
             "| --- | --- | ---: |" + " ---: |" * (len(shown) + 1)]
    for row in rows:
        cells = []
        for place in shown:
            ratio = median_ratio(row, place)
            text = "-" if ratio is None else f"{ratio:.2f}"
            cells.append(f"**{text}**" if place == "ours" and missed(row) else text)
        target = "" if row.get("target") is None else f"{row['target']:g}"
        lines.append(f"| {row['group']} | {row['name']} | {native_text(row)} | " + " | ".join(cells) + f" | {target} |")
    return "\n".join(lines) + "\n"


def with_before(rows, before):
    """The rows with an earlier run's "ours" as the place "before", as ratios to its own native."""
    known = {(r["group"], r["name"]): r for r in before}
    for row in rows:
        old = known.get((row["group"], row["name"]))
        ratio = median_ratio(old, "ours") if old else None
        if ratio is not None:
            row["values"]["before"] = [v and (v / ratio if row["rate"] else v * ratio) for v in row["values"]["native"]]
    return rows


def bar(row, place, scale, y):
    ratio, ends = median_ratio(row, place), spread(row, place)
    if ratio is None:
        return f'<text x="4" y="{y + 10}" class="small">{place}: failed</text>'
    width = ratio * scale
    mark = f'<line x1="{ends[0] * scale:.1f}" x2="{ends[1] * scale:.1f}" y1="{y + 6}" y2="{y + 6}" stroke="#333"/>'
    return (f'<rect x="0" y="{y}" width="{width:.1f}" height="12" fill="{COLOURS.get(place, "#999")}"/>{mark}'
            f'<text x="{max(width, ends[1] * scale) + 4:.1f}" y="{y + 10}" class="small">{place} {ratio:.2f}</text>')


def plot(row, places):
    """One row as bars of its ratios; dashed: native; dotted: the target."""
    shown = [p for p in places if p != "native"]
    greatest = max([1.0, row.get("target") or 1] + [s[1] for p in shown if (s := spread(row, p))])
    scale = 420 / greatest
    bars = "".join(bar(row, place, scale, 4 + 15 * i) for i, place in enumerate(shown))
    height = 15 * len(shown) + 8
    lines = f'<line x1="{scale:.1f}" x2="{scale:.1f}" y1="0" y2="{height}" stroke="#000" stroke-dasharray="4 3"/>'
    if row.get("target"):
        x = row["target"] * scale
        lines += f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="#c00" stroke-dasharray="1 3"/>'
    return f'<svg width="560" height="{height}" role="img">{bars}{lines}</svg>'


STYLE = """body{font:14px sans-serif;margin:2em;max-width:70em}td,th{padding:2px 10px;text-align:left;vertical-align:top}
.small{font-size:11px}.miss{color:#c00}table{border-collapse:collapse}tr{border-top:1px solid #ddd}"""


def page(rows, places, facts, notes):
    """The whole report as one HTML file that needs nothing else."""
    parts = [f"<!doctype html><meta charset=utf-8><title>runsc benchmarks</title><style>{STYLE}</style>",
             "<h1>Benchmarks: times slower than native</h1><p>Medians over rounds; thin lines show the spread. Dashed: native. "
             "Dotted: the target. " + html.escape(", ".join(f"{k}: {v}" for k, v in facts.items())) + "</p>"]
    for group in dict.fromkeys(row["group"] for row in rows):
        parts.append(f"<h2>{html.escape(group)}</h2><table>")
        for row in (r for r in rows if r["group"] == group):
            name = html.escape(row["name"])
            verdict = ' <span class="miss">misses its target</span>' if missed(row) else ""
            parts.append(f"<tr><td><b>{name}</b>{verdict}<br><span class=small>native {native_text(row)}</span></td>"
                         f"<td>{plot(row, places)}</td></tr>")
        parts.append("</table>")
    if notes:
        parts.append("<h2>Notes</h2><ul>" + "".join(f"<li>{html.escape(n)}</li>" for n in notes) + "</ul>")
    return "\n".join(parts) + "\n"


def save(directory, rows, places, facts, notes):
    """results.json, table.md and report.html."""
    directory.mkdir(parents=True, exist_ok=True)
    result = {"facts": facts, "places": places, "rows": rows, "notes": notes}
    (directory / "results.json").write_text(json.dumps(result, indent=1) + "\n")
    (directory / "table.md").write_text(markdown(rows, places))
    (directory / "report.html").write_text(page(rows, places, facts, notes))
