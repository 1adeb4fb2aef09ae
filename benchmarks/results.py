"""Samples become figures: medians, spread, ratios; as data and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any

from benchmarks.measure import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One peer at one work. `times_ours`: its median over ours, wall clock; `cpu_times_ours`: the same of processor
    time, which says less about waiting and more about a machine that has other things to do."""

    work: str
    runs: int
    latency_ms: int
    peer: str
    samples: tuple[Sample, ...]
    times_ours: float
    cpu_times_ours: float

    @property
    def median_s(self) -> float:
        return _wall(self.samples)

    @property
    def title(self) -> str:
        return f"{self.work}, {self.latency_ms} ms" if self.work == "sending" else self.work

    @property
    def is_start_up(self) -> bool:
        return self.runs <= 10

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Row:
        """What `data` gave."""
        values = {field.name: data[field.name] for field in fields(cls)}
        return cls(**values | {"samples": tuple(Sample(**sample) for sample in data["samples"])})

    def data(self) -> dict[str, Any]:
        """As JSON."""
        times = [sample.seconds for sample in self.samples]
        return {
            **asdict(self),
            "median_s": self.median_s,
            "min_s": min(times),
            "max_s": max(times),
            "cpu_s": _cpu(self.samples),
            "peak_kib": _peak(self.samples),
        }


def rows(work: str, runs: int, latency_ms: int, measured: Mapping[str, Sequence[Sample]]) -> list[Row]:
    """The rows of one work; the first peer is ours."""
    ours = next(iter(measured.values()))
    ours_s, ours_cpu = _wall(ours), _cpu(ours)
    return [
        Row(
            work=work,
            runs=runs,
            latency_ms=latency_ms,
            peer=peer,
            samples=tuple(samples),
            times_ours=_wall(samples) / ours_s,
            cpu_times_ours=_cpu(samples) / ours_cpu,
        )
        for peer, samples in measured.items()
    ]


def table(found: Iterable[Row]) -> str:
    """A Markdown table, one line a row."""
    lines = [
        "| work | runs | peer | median | min..max | starts | CPU | peak memory | time vs ours | CPU vs ours |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found:
        times = [sample.seconds for sample in row.samples]
        # A process that tells the time of one part makes its material in the rest: its memory means nothing.
        part = any(sample.own is not None for sample in row.samples)
        cells = (
            row.title,
            f"{row.runs:,}",
            row.peer,
            f"{_time(row.median_s)}{_rate(row) if part else ''}",
            f"{_time(min(times))}..{_time(max(times))}",
            str(len(times)),
            _time(_cpu(row.samples)),
            "–" if part else f"{_peak(row.samples) / 1024:.0f} MiB",
            _ratio(row.times_ours),
            _ratio(row.cpu_times_ours),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def start_up_table(found: Iterable[Row]) -> str:
    """Commands beside the bare interpreter that ran in turn with them."""
    pairs = list(zip(*[iter(found)] * 2, strict=True))
    lines = ["| command | median | min..max | starts | over a bare interpreter |", "|---|---:|---:|---:|---:|"]
    for ours, bare in pairs:
        times = [sample.seconds for sample in ours.samples]
        over = median(a.wall_s - b.wall_s for a, b in zip(ours.samples, bare.samples, strict=True))
        lines.append(
            f"| {ours.work} | {_time(ours.median_s)} | {_time(min(times))}..{_time(max(times))} | {len(times)} "
            f"| +{_time(over)} |"
        )
    return "\n".join(lines)


def _rate(row: Row) -> str:
    return f" ({row.runs / row.median_s / 1000:,.0f} k/s)"


def _ratio(value: float) -> str:
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def _time(value_s: float) -> str:
    return f"{value_s:.2f} s" if value_s >= 1 else f"{1000 * value_s:.0f} ms"


def _cpu(samples: Sequence[Sample]) -> float:
    return median(sample.cpu_s for sample in samples)


def _wall(samples: Sequence[Sample]) -> float:
    return median(sample.seconds for sample in samples)


def _peak(samples: Sequence[Sample]) -> int:
    return max(sample.peak_kib for sample in samples)
