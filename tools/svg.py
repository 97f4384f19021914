"""Line charts as SVG, with nothing but text."""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 64, 236, 40, 52
COLOURS = (
    "#1b6ca8", "#d1495b", "#2e8b57", "#8a5fbf", "#c98a1b", "#3a3a3a", "#0f9d9d", "#9c5a3c", "#e377c2", "#7f8c1f", "#5b7fd9",
)  # fmt: skip


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ticks(low, high, count=5):
    """Round numbers that span [low, high]."""
    raw = (high - low) / count or 1
    power = 10.0 ** (len(f"{int(1 / raw):d}") * -1 if raw < 1 else len(str(int(raw))) - 1)
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= raw)
    first = int(low // step)
    return [round(step * k, 10) for k in range(first, int(-(-high // step)) + 1)]


def chart(title, x_label, y_label, lines, level=None):
    """`lines`: {name: [(x, y), …]}; `level`: a dashed horizontal line, named original."""
    points = [point for line in lines.values() for point in line]
    ys = [y for _, y in points] + ([level] if level is not None else [])
    x_ticks, y_ticks = ticks(0, max(x for x, _ in points)), ticks(min(ys), max(*ys, min(ys) + 1))
    x0, x1, y0, y1 = x_ticks[0], x_ticks[-1], y_ticks[0], y_ticks[-1]

    def place(x, y):
        return (
            LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM),
        )

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="translate(16,{HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>',
    ]
    for tick in x_ticks:
        x, y = place(tick, y0)
        out.append(f'<path d="M{x:.1f} {y:.1f}V{TOP}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{tick:g}</text>')
    for tick in y_ticks:
        x, y = place(x0, tick)
        out.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        out.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    if level is not None:
        x, y = place(x0, level)
        out.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#555" stroke-dasharray="6 4"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y + 4:.1f}" fill="#555">original</text>')
    for index, (name, line) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        placed = [place(x, y) for x, y in sorted(line)]
        if len(placed) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
            out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in placed]
        y = TOP + 40 + 18 * index
        out.append(f'<circle cx="{WIDTH - RIGHT + 14}" cy="{y}" r="4" fill="{colour}"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 24}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])
