"""What befalls the state: it is lost, or an older copy of it is restored, with what lies beside it or without."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from tests.proof.fleet.bench import FleetBench
from tests.proof.fleet.observer import Round
from tests.proof.fleet.once import Once
from tests.proof.fleet.recurrence import Known, Recurrence
from tests.proof.fleet.steps import Course, Steps


@dataclass(frozen=True, slots=True)
class StateCopy:
    """The files of a state, and what the rules knew when they were copied, in which round."""

    round: int
    files: Mapping[str, bytes]
    known: dict[str, Known]
    since_clean: tuple[Round, ...]
    courses: set[Course]

    @property
    def whole(self) -> frozenset[str]:
        """The files that are whole without what lies beside them."""
        return frozenset(name for name in self.files if f"{name}-wal" not in self.files)


@dataclass
class Misfortune:
    """`say` is told what happened. `copies`: the newest last."""

    bench: FleetBench
    once: Once
    steps: Steps
    recurrence: Recurrence
    say: Callable[[str], None]
    copies: list[StateCopy] = field(default_factory=list)

    def befall(self, chance: Random) -> None:
        """Now and then, one of them."""
        if not self.bench.state_file.exists():
            return
        dice = chance.random()
        if dice < 0.08:
            self.bench.checkpoint()
            self.copy()
        elif dice < 0.11 and (whole := [one for one in self.copies if self.bench.state_file.name in one.whole]):
            then = chance.choice(whole[-3:])
            _end_dead_processes()
            if chance.random() < 0.5:
                self.bench.lose_state()
            else:
                self.bench.checkpoint()
            self.bench.state_file.write_bytes(then.files[self.bench.state_file.name])
            self._restored(then, f"the state of round {then.round} is restored")
        elif dice < 0.125:
            self.lose()

    def lose(self) -> None:
        """The file is gone, and what lies beside it."""
        self.bench.lose_state()
        self.say("the state is lost")
        self.once.lost_state()
        self.recurrence.lost_state()
        self.steps.lost_state()

    def copy(self) -> None:
        """Copy the whole folder as it is, also while an apply is under way; but for the memory that SQLite's open
        connections share, which it makes anew."""
        found = [file for file in self.bench.state_file.parent.iterdir() if not file.name.endswith("-shm")]
        files = {file.name: file.read_bytes() for file in found if file.is_file()}
        if self.bench.state_file.name in files:
            self.copies.append(
                StateCopy(
                    self.bench.wire.round,
                    files,
                    copy.deepcopy(self.recurrence.known),
                    tuple(self.recurrence.since_clean),
                    set(self.steps.courses),
                )
            )

    def restore_all(self, chance: Random) -> bool:
        """Put a whole folder back, mostly the last that was copied: the same files in place, or others under their
        names. Whether there was one."""
        if not self.copies:
            return False
        then, anew = self.copies[-min(chance.choice((1, 1, 1, 2, 3)), len(self.copies))], chance.random() < 0.5
        _end_dead_processes()
        folder = self.bench.state_file.parent
        for file in folder.iterdir():
            if anew or file.name not in then.files:
                file.unlink()
        for name, content in then.files.items():
            (folder / name).write_bytes(content)
        self.bench.wire.happened["a whole folder restored"] += 1
        self._restored(then, f"a whole folder of round {then.round} is restored{'' if anew else ', in place'}")
        return True

    def _restored(self, then: StateCopy, what: str) -> None:
        self.say(what)
        self.once.lost_state()
        self.recurrence.restored_state(then.known, then.since_clean)
        self.steps.restored_state(then.courses)


def _end_dead_processes() -> None:
    """A process that dies here leaves its connections behind, and SQLite shares them within a process."""
    gc.collect()
