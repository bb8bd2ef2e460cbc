"""The picture of two deliveries: when each token reached the client, as an SVG that reads in light and in dark."""

from collections.abc import Iterable, Sequence
from math import floor, log10
from xml.sax.saxutils import escape

from sidecar.tools.delivery import Delivery

WIDTH, LEFT, RIGHT = 820, 30, 30
LANE, TOP, FOOT = 130, 92, 40
SAME = 0.02
TITLE = "One answer through nginx: when its tokens reach the client"
SUBTITLE = "Each dot is a token. The backend is the same, and so is nginx, which buffers by default."

STYLE = """
    text { font: 14px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328;
           paint-order: stroke; stroke: #ffffff; stroke-width: 4 }
    .title { font-size: 18px; font-weight: 600 }
    .name { font-weight: 600 }
    .quiet { fill: #59636e }
    .small { font-size: 12px }
    .ground { fill: #ffffff; stroke: #d1d9e0 }
    .axis { stroke: #d1d9e0; stroke-width: 1 }
    .wait { stroke-width: 2; stroke-dasharray: 2 4 }
    .held { stroke: #cf222e } .live { stroke: #1a7f37 }
    circle.held { fill: #cf222e; stroke: none } circle.live { fill: #1a7f37; stroke: none }
    text.held { fill: #cf222e; stroke: #ffffff } text.live { fill: #1a7f37; stroke: #ffffff }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; stroke: #0d1117 } .quiet { fill: #9198a1 }
      .ground { fill: #0d1117; stroke: #3d444d } .axis { stroke: #3d444d }
      .held { stroke: #ff7b72 } .live { stroke: #56d364 }
      circle.held { fill: #ff7b72 } circle.live { fill: #56d364 }
      text.held { fill: #ff7b72; stroke: #0d1117 } text.live { fill: #56d364; stroke: #0d1117 }
    }
"""


def svg(deliveries: Sequence[Delivery]) -> str:
    """One lane a delivery over a common time axis; the first is the held-back one."""
    end = max(delivery.at[-1] for delivery in deliveries)
    scale = Scale(end)
    height = TOP + LANE * len(deliveries) + FOOT
    lanes = [line for row, delivery in enumerate(deliveries) for line in lane(row, delivery, scale)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{TITLE}">',
            f"  <style>{STYLE}  </style>",
            f'  <rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
            text(LEFT, 36, TITLE, "title"),
            text(LEFT, 58, SUBTITLE, "quiet"),
            *axis(scale, height - FOOT),
            *lanes,
            "</svg>",
            "",
        ]
    )


class Scale:
    """Seconds to pixels."""

    def __init__(self, end: float):
        decade = 10.0 ** floor(log10(end / 8))
        self.step = next(step * decade for step in (1, 2, 2.5, 5, 10) if step * decade >= end / 8)
        self.end = end * 1.03

    def x(self, seconds: float) -> float:
        """Where a moment stands."""
        return LEFT + seconds / self.end * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[float]:
        """The moments that are written on the axis."""
        return [n * self.step for n in range(int(self.end / self.step) + 1)]


def axis(scale: Scale, bottom: float) -> Iterable[str]:
    """A line at the foot, a faint one at each tick."""
    for tick in scale.ticks():
        x = scale.x(tick)
        yield f'  <line class="axis" x1="{x:.1f}" y1="{TOP - 12}" x2="{x:.1f}" y2="{bottom}"/>'
        yield text(x, bottom + 18, f"{tick:g} s", "quiet small", "middle" if tick else "start")
    yield f'  <line class="axis" x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>'


def lane(row: int, delivery: Delivery, scale: Scale) -> Iterable[str]:
    """A delivery: its name and numbers, the wait for its first token, its dots; those of one moment are stacked."""
    kind = "live" if row else "held"
    top = TOP + LANE * row
    base = top + LANE - 28
    rest = f"TPOT {delivery.tpot * 1000:.0f} ms" if delivery.spread > SAME else f"all {len(delivery.at)} tokens at once"
    yield text(LEFT + 6, top + 8, delivery.name, f"name {kind}")
    yield text(LEFT + 6, top + 28, f"TTFT {delivery.ttft:.2f} s, {rest}", "quiet")
    yield f'  <line class="wait {kind}" x1="{LEFT}" y1="{base}" x2="{scale.x(delivery.ttft):.1f}" y2="{base}"/>'
    for x, y in dots(delivery, scale, base):
        yield f'  <circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'


def dots(delivery: Delivery, scale: Scale, base: float) -> Iterable[tuple[float, float]]:
    """A place for each token: tokens of one moment form a block, ten high, growing to the left."""
    start, stacked = -1.0, 0
    for at in delivery.at:
        if at - start > SAME:
            start, stacked = at, 0
        column, high = divmod(stacked, 10)
        stacked += 1
        yield scale.x(start) - column * 7.5, base - high * 7.5


def text(x: float, y: float, content: str, kind: str, anchor: str = "start") -> str:
    """One line of text."""
    return f'  <text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'
