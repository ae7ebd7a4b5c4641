# SPDX-License-Identifier: MIT
"""The results as a picture: bars on a logarithmic scale, shorter is faster. Plain SVG, fit for a light page and a dark one."""
import math
import os
import subprocess
from xml.sax.saxutils import escape

# key, what it is, ours?
BARS = [
    ("limit_1m_us_p50", "one hash and one copy out of as much memory (the least there could be)", None),
    ("map_resolve_10k_us_p50", "websess: map, 10,000 sessions", True),
    ("map_resolve_1m_us_p50", "websess: map, a million sessions", True),
    ("map_resolve_10m_us_p50", "websess: map, ten million sessions", True),
    ("p2p_resolve_us_p50", "websess: private socket", True),
    ("bus_resolve_us_p50", "websess: D-Bus system bus", True),
    ("jwt_rs256_verify_us_p50", "JWT: RS256 signature checked by OpenSSL", False),
    ("redis_hgetall_us_p50", "Redis: HGETALL over a unix socket, from C", False),
    ("connect_redis_us_p50", "Redis: connect-redis in Node", False),
]
COLOURS = {True: "#2f7d4f", False: "#b5533c", None: "#888888"}
LEFT, TOP, ROW, BAR, WIDTH, PLOT = 16, 64, 44, 14, 760, 640


def machine():
    try:
        kind = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True).stdout.strip()
    except OSError:
        kind = "none"
    return f"{os.cpu_count()} cores" + ("" if kind in ("", "none") else ", virtual machine")


def number(value):
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def draw(results):
    bars = [(results[key], title, ours) for key, title, ours in BARS if key in results]
    low = 10.0 ** math.floor(math.log10(min(value for value, _, _ in bars)))
    high = 10.0 ** math.ceil(math.log10(max(value for value, _, _ in bars)))
    height = TOP + ROW * len(bars) + 44

    def x(value):
        return LEFT + PLOT * math.log(value / low) / math.log(high / low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
           'font-family="system-ui, sans-serif" font-size="13">',
           "<!-- SPDX-License-Identifier: MIT -->",
           "<title>Finding one session: how long it takes</title>",
           f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="26" font-size="16" font-weight="600" fill="#222222">Finding one session</text>',
           f'<text x="{LEFT}" y="46" fill="#555555">median, µs, logarithmic: shorter is faster ({escape(machine())})</text>']
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        at, label = x(10.0 ** power), f"{10.0 ** power:g}"
        out += [f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{height - 32}" stroke="#dddddd"/>',
                f'<text x="{at:.1f}" y="{height - 14}" text-anchor="middle" fill="#555555">{label} µs</text>']
    for i, (value, title, ours) in enumerate(bars):
        y = TOP + ROW * i + 16
        out += [f'<text x="{LEFT}" y="{y}" fill="#222222">{escape(title)}</text>',
                f'<rect x="{LEFT}" y="{y + 6}" width="{max(x(value) - LEFT, 1):.1f}" height="{BAR}" rx="2" fill="{COLOURS[ours]}"/>',
                f'<text x="{x(value) + 6:.1f}" y="{y + 18}" font-weight="600" fill="#222222">{number(value)}</text>']
    return "\n".join([*out, "</svg>", ""])
