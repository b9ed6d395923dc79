"""What a soak found, in plain text, and whether it holds."""

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tools.soak.samples import PROGRAMS, Answer, Sample, slope

SHOWN = 10
MOST_GROWTH = 0.15
"""Of memory, from the first mark to the end."""
JUDGED_FROM_SECONDS = 1800
"""Programs take some minutes to load what they need; in shorter soaks memory is not judged."""


@dataclass
class Report:
    """Lines for people, and what failed."""

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def head(self, text: str) -> None:
        self.lines += ["", text]

    def say(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def hold(self, holds: bool, text: str) -> None:
        """A line that must hold."""
        self.lines.append(f"  {'ok   ' if holds else 'FAIL '} {text}")
        if not holds:
            self.failures.append(text)

    def hold_none(self, losses: Sequence[object], text: str) -> None:
        """None may be there; the first are shown."""
        self.hold(not losses, f"{text}: {len(losses)}")
        self._show(losses)

    def list(self, found: Sequence[object], text: str) -> None:
        """How many there are, and the first of them."""
        self.say(f"{text}: {len(found)}")
        self._show(found)

    def _show(self, found: Sequence[object]) -> None:
        for one in found[:SHOWN]:
            self.say(f"        {readable(one)}")

    @property
    def text(self) -> str:
        verdict = "Everything holds." if not self.failures else f"{len(self.failures)} failed:"
        return "\n".join([*self.lines, "", verdict, *(f"  {one}" for one in self.failures), ""])


def readable(loss: object) -> str:
    """Instants in milliseconds as people write them."""
    return re.sub(
        r"\b1\d{12}\b",
        lambda found: f"{datetime.fromtimestamp(int(found[0]) / 1000, UTC):%H:%M:%S.%f}"[:-3],
        str(loss),
    )


def add_memory(
    report: Report, samples: Sequence[Sample], mark_second: float, undisturbed_second: float
) -> None:
    """Memory at the mark and at the end, in total and by program, and how it grew from when all
    programs ran undisturbed."""
    settled = [one for one in samples if one.second >= mark_second] or list(samples)
    undisturbed = [one for one in samples if one.second >= undisturbed_second] or list(samples)
    first, last = settled[0], settled[-1]
    report.head(
        f"Memory in MB, at {first.second / 60:.1f} and {last.second / 60:.1f} minutes; its growth "
        f"an hour from {undisturbed[0].second / 60:.1f} minutes on"
    )
    report.say(f"{'':14}{'RSS':>8}{'':>8}{'PSS':>8}{'':>8}{'growth':>10}")
    seconds = [one.second for one in undisturbed]
    for program in [*first.proportional, "all"]:
        figures = [
            figure(one, program) for figure in (_resident, _proportional) for one in (first, last)
        ]
        grown = slope(seconds, [_proportional(one, program) for one in undisturbed])
        report.say(
            f"{program:14}" + "".join(f"{figure:8.0f}" for figure in figures) + f"{grown:+10.1f}"
        )
    report.say(f"over time, PSS{'':4}" + "".join(f"{name:>14}" for name in [*PROGRAMS, "all"]))
    for one in samples[:: max(1, len(samples) // 20)]:
        figures = [_proportional(one, name) for name in [*PROGRAMS, "all"]]
        report.say(
            f"{one.second / 60:8.1f} min  " + "".join(f"{figure:14.0f}" for figure in figures)
        )
    share = _proportional(last, "all") / _proportional(first, "all") - 1
    report.hold(
        share <= MOST_GROWTH or last.second < JUDGED_FROM_SECONDS,
        f"memory grew by {share:+.0%}; at most {MOST_GROWTH:.0%}, in soaks of half an hour or more",
    )


def _resident(sample: Sample, program: str) -> float:
    return sample.total_resident if program == "all" else sample.resident.get(program, 0.0)


def _proportional(sample: Sample, program: str) -> float:
    return sample.total_proportional if program == "all" else sample.proportional.get(program, 0.0)


def add_files(report: Report, samples: Sequence[Sample], series: int) -> None:
    """The lake's files over time. Of its newest state, each series (a table's rows of a symbol) has
    a file, and one more until the next merge; without merging, each round would add one."""
    report.head("Files: of the lake's newest state, and on the disk with states of the last day")
    report.say(f"{'minute':>8}{'files':>8}{'kB':>8}{'on disk':>10}{'kB':>8}{'catalogue kB':>14}")
    answered = [one for one in samples if one.files is not None]
    for one in answered[:: max(1, len(answered) // 20)]:
        report.say(
            f"{one.second / 60:8.1f}{one.files:8}{(one.files_bytes or 0) / 1000:8.0f}"
            f"{one.files_on_disk:10}{one.bytes_on_disk / 1000:8.0f}"
            f"{one.catalogue_bytes / 1000:14.0f}"
        )
    most = max(one.files or 0 for one in answered)
    report.hold(most <= 2 * series, f"most files of the newest state: {most}, for {series} series")


def add_answers(report: Report, answers: Sequence[Answer]) -> None:
    """How long the web server took, and what it answered."""
    report.head("Answers of the web server")
    for page in sorted({answer.page for answer in answers}):
        of_page = [answer for answer in answers if answer.page == page]
        taken = sorted(answer.seconds for answer in of_page)
        longest = max(of_page, key=lambda answer: answer.seconds)
        report.say(
            f"{page:20} median {1000 * statistics.median(taken):.0f} ms, "
            f"p99 {1000 * taken[int(0.99 * len(taken))]:.0f} ms, longest "
            f"{1000 * longest.seconds:.0f} ms (asked {readable(longest.at)}), {len(of_page)} in all"
        )
    others = [(one.page, one.at, one.status) for one in answers if one.status != "200"]
    report.list(others, "answered with something else than 200")


def add_restarts(report: Report, output: str, kills: dict[str, int]) -> None:
    """Programs that ended without having been killed."""
    report.head("Programs")
    ends = Counter(re.findall(r"^(\w+) ended \(code", output, re.MULTILINE))
    report.say(f"ends by program: {dict(ends)}, of which killed: {kills}")
    alone = {name: n - kills.get(name, 0) for name, n in ends.items() if n > kills.get(name, 0)}
    report.hold(not alone, f"programs that ended by themselves: {alone or 'none'}")


def add_logs(report: Report, logs: Iterable[Path]) -> None:
    """The errors in the logs, with what differs from line to line left out."""
    report.head("Errors in the logs")
    for log in sorted(logs):
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if re.search(r"\b(ERROR|CRITICAL)\b|^Traceback", line)]
        size = log.stat().st_size / 1000
        report.say(f"{log.stem}: {len(errors)} of {len(lines)} lines, {size:.0f} kB")
        kinds = Counter(_kind(line) for line in errors)
        for kind, count in kinds.most_common(SHOWN):
            report.say(f"    {count:5} x {kind}")


def _kind(line: str) -> str:
    line = re.sub(r"^\[?[\d: ,.-]+", "", line)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]+|\d[\d.,]*", "#", line)[:140]
