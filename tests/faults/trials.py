"""What a trial of the fault harness comes to, and how it is judged."""

import contextlib
import dataclasses
import pathlib
import re
import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from noisy_label_datasets.errors import NoisyLabelsError

CLEAR, SAME, VALID, FAILED = "clear error", "same result", "other valid content", "failed"
OUTCOMES = (CLEAR, SAME, VALID, FAILED)
SECONDS = 120  # after which a reader is taken to hang; machines that run this may be busy
MEGABYTES = 768  # by which reading a small file may let the process grow


class Complained(NoisyLabelsError):
    """A command that ended as it should where something is wrong: one line, and an exit code of its own."""


class TakenForWhole(AssertionError):
    """Something that is not what was written, and was read without a complaint."""


class Hung(BaseException):
    """A trial that took too long; no Exception, so that no reader catches it."""


@dataclasses.dataclass
class Tally:
    """The outcomes of the trials of one kind.

    Attributes:
      kind: what was tried.
      counts: outcome -> number of trials.
      failures: what to look at, a text each.
    """

    kind: str
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    failures: list[str] = dataclasses.field(default_factory=list)

    def add(self, outcome: str, what: str) -> None:
        """Counts a trial; what: was tried, and came of it."""
        self.counts[outcome] += 1
        if outcome == FAILED:
            self.failures.append(what)

    @property
    def tried(self) -> int:
        """Number of trials."""
        return sum(self.counts.values())


def judge(read: Callable[[], bytes], expected: frozenset[bytes], *, hashed: bool) -> tuple[str, str]:
    """Runs a reader on something damaged; returns the outcome, and what happened.

    Args:
      read: returns what was read.
      expected: what may be read without an error.
      hashed: whether hashes tell anything else from it; where there are none, other content is as good.
    """
    before = _peak(reset=True)
    try:
        with within(SECONDS):
            found = read()
        outcome = SAME if found in expected else (FAILED if hashed else VALID)
        said = "" if outcome != FAILED else "read as if it were whole"
    except (NoisyLabelsError, OSError) as error:
        outcome, said = CLEAR, f"{type(error).__name__}: {error}"
        if not str(error).strip() or "\n" in str(error).strip():
            outcome, said = FAILED, f"an error that is not one line: {error!r}"
    except Hung:
        outcome, said = FAILED, f"took more than {SECONDS} s"
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        outcome = FAILED
        said = f"{type(error).__name__}: {str(error)[:200]} ({last.filename.rpartition('/')[2]}:{last.lineno})"
    if outcome != FAILED and (grown := _peak() - before) > MEGABYTES:
        outcome, said = FAILED, f"took {grown:.0f} MB of memory"
    return outcome, said


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises Hung in the main thread after so many seconds."""

    def hung(signal_number: int, frame: FrameType | None) -> NoReturn:
        raise Hung

    before = signal.signal(signal.SIGALRM, hung)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _peak(*, reset: bool = False) -> float:
    """Returns the most memory that this process has had since the last reset, in MB.

    Where there is no /proc, since its start; a child process begins with its parent's peak then, so that less is seen.
    """
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if reset:
        with contextlib.suppress(OSError):  # a kernel that does not let us: the peak since the start
            pathlib.Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
