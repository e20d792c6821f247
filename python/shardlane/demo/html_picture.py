"""The picture of a request on its way to a shard, as SVG."""

from __future__ import annotations

_OWNER = 3


def picture(title: str, *, lands_on: int) -> str:
    """Return a drawing of one node with four shards, the last of which owns the row."""
    shards = "".join(_shard(index) for index in range(4))
    inside = "<text x='222' y='24' text-anchor='middle'>a node, four shards</text>"
    landing = _middle(lands_on)
    if lands_on == _OWNER:
        path = f"M78 85 C 130 85 140 {landing} 188 {landing}"
        lines = f'<path class="path" d="{path}"/>'
        dot = _dot(path, "dot", "1.6s")
        label = "straight to the owner"
    else:
        path = f"M78 85 C 130 85 140 {landing} 188 {landing}"
        hop = f"M256 {landing} C 300 {landing} 300 {_middle(_OWNER)} 260 {_middle(_OWNER)}"
        lines = f'<path class="astray" d="{path}"/><path class="astray hop" d="{hop}"/>'
        whole = f"{path} L 256 {landing} {hop[hop.index('C') :]}"
        dot = _dot(whole, "dot lost", "2.8s")
        label = "wrong shard, passed on inside"
    return (
        f'<figure class="card"><h3>{title}</h3>'
        f'<svg class="chart picture" viewBox="0 0 330 178" role="img"'
        f' aria-label="{title}: {label}">'
        '<rect class="box" x="8" y="64" width="70" height="42" rx="8"/>'
        '<text x="43" y="89" text-anchor="middle">client</text>'
        f'<rect class="box" x="176" y="32" width="94" height="140" rx="10"/>{inside}{shards}{lines}'
        f"{dot}</svg><figcaption>{label}</figcaption></figure>"
    )


def _shard(index: int) -> str:
    kind = "shard owner" if index == _OWNER else "shard"
    text = "row" if index == _OWNER else str(index)
    top = _middle(index) - 13
    return (
        f'<rect class="{kind}" x="190" y="{top}" width="66" height="26" rx="5"/>'
        f'<text x="223" y="{top + 17}" text-anchor="middle">{text}</text>'
    )


def _middle(index: int) -> int:
    return 53 + 33 * index


def _dot(path: str, kind: str, lasts: str) -> str:
    return (
        f'<circle class="{kind}" r="5"><animateMotion dur="{lasts}" repeatCount="indefinite"'
        f' path="{path}"/></circle>'
    )
