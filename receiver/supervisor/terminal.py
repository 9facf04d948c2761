"""One log in one terminal: every line with its part's name, progress while parts come up, the panel at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from receiver.supervisor.loglines import level_of, shown

_COLOURS = ("cyan", "magenta", "blue", "green", "yellow", "bright_cyan", "bright_magenta")
_LEVEL_STYLES = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_MARKS: dict[str, tuple[str, str]] = {"ready": ("✓", "green"), "failed": ("✗", "red"), "note": ("·", "yellow")}
_NAME_WIDTH = 11


class PatientConsole(Console):
    """A console whose reader may go away (`webhooks up | head`): what runs goes on."""

    def on_broken_pipe(self) -> None:
        """Nothing: rich would end the process."""


@dataclass
class Terminal:
    """Prints for a person when standard output is a terminal, plainly otherwise. It may be gone without harm."""

    console: Console
    quiet: bool = True
    """While parts come up: of their own lines only warnings and errors are shown (the log files have all)."""

    _running: dict[str, float] = field(default_factory=dict)
    _colours: dict[str, str] = field(default_factory=dict)

    def line(self, name: str, text: str) -> None:
        """A line that the part `name` wrote."""
        level = level_of(text) or level_of(short := shown(text))
        short = shown(text)
        if self.quiet and level not in {"WARNING", "ERROR", "CRITICAL"}:
            return
        self._print(self._prefix(name) + Text(short, style=_LEVEL_STYLES.get(level, "")))

    def begin(self, title: str) -> None:
        """Something is coming up from now on."""
        self._running[title] = time.monotonic()

    def end(self, title: str, outcome: Literal["ready", "failed"] = "ready") -> None:
        """It is up, or is not."""
        began = self._running.pop(title, None)
        took = f"  {time.monotonic() - began:.1f} s" if began is not None else ""
        self._mark(outcome, f"{title}{took}")

    def note(self, text: str) -> None:
        """What the supervisor itself has to say, for example that a part is started again."""
        self._mark("note", text)

    def panel(self, title: str, body: Text, below: Text) -> None:
        """A framed block for a person, plain lines for a file; `below` stands free, so that it can be copied whole."""
        if self.console.is_terminal:
            self._print(Panel(body, title=title, title_align="left", border_style="green", padding=(0, 1)))
        else:
            self._print(Text(f"{title}\n") + body)
        self._print(below)

    def failure(self, title: str, evidence: str, text: str) -> None:
        """What went wrong: the last lines of a log, dimmed, then words for the person."""
        self._print(Text(title, style="bold red"))
        if evidence:
            self._print(Text(evidence, style="dim"))
        self._print(Text(text))

    @contextmanager
    def progress(self) -> Iterator[None]:
        """While inside, a terminal shows what is coming up and for how long already."""
        if not self.console.is_terminal:
            yield
            return
        with Live(get_renderable=self._pending, console=self.console, transient=True, refresh_per_second=8):
            yield

    def _pending(self) -> Text:
        now = time.monotonic()
        return Text("\n").join(
            Text(f"  {title} … {now - began:.1f} s", style="dim") for title, began in list(self._running.items())
        )

    def _mark(self, kind: str, text: str) -> None:
        mark, style = _MARKS[kind]
        self._print(Text(f"{mark} ", style=style) + Text(text))

    def _prefix(self, name: str) -> Text:
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        return Text(f"{name:<{_NAME_WIDTH}}", style=colour) + Text("│ ", style="dim")

    def _print(self, what: RenderableType) -> None:
        try:
            self.console.print(what, soft_wrap=isinstance(what, Text), highlight=False)
        except OSError:
            return  # the terminal was closed: stopping in order matters more than telling of it
