"""What a systemd unit's file says of the environment that its process gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Unit:
    """A unit's name and the environment files that it names."""

    name: str
    environment_files: tuple[str, ...]

    def lines(self) -> str:
        """Its lines as they stand, for people."""
        if not self.environment_files:
            return "no EnvironmentFile= line; add `EnvironmentFile=/etc/lux/lux.env`"
        return " and ".join(f"`EnvironmentFile={name}`" for name in self.environment_files)

    def is_newer_than(self, moment: float) -> bool:
        """Whether one of its files was changed after a moment, in seconds since 1970."""
        return any(_changed_at(Path(name.lstrip("-"))) > moment for name in self.environment_files)


def find_unit(folder: Path, name: str) -> Unit | None:
    """The unit as its file in the folder has it, with its drop-ins; None when there is none or it may not be read."""
    if "/" in name or not name.endswith(".service"):
        return None
    try:
        texts = [(folder / name).read_text()]
        texts += [path.read_text() for path in sorted((folder / f"{name}.d").glob("*.conf"))]
    except OSError:
        return None
    lines = [line.strip() for text in texts for line in text.splitlines()]
    named = [line.partition("=")[2].strip() for line in lines if line.startswith("EnvironmentFile=")]
    return Unit(name, tuple(one for one in named if one))


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
