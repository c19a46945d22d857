"""The options of `teach` that name the model, the clips and the results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from sernet_edge.runtime.errors import SettingError
from sernet_edge.runtime.options import MODEL_PATH, SHIPPED, Integer, option_group
from sernet_edge.runtime.outputs.web_access import DEFAULT_ADDRESS, Address
from sernet_edge.runtime.teach.lesson import Lesson

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class LessonSettings:
    """The model to teach, the clips and the results.

    Attributes:
        clips: Folder or table of labelled clips.
        from_marks: Folder of marked recordings.
        guided: Folder for clips that are first recorded.
        device: Index or part of the name of the microphone.
        channel: Its channel, counted from 0; None: the mean of all.
        web: Address of the session's web page; None: the session is in the terminal.
        model: The model to teach; None: the default one.
        out: The taught model's file.
        head: The file of its head.
        repeat: A taught model to teach again.
        forget: A folder whose clips are deleted.
    """

    clips: Path | None
    from_marks: Path | None
    guided: Path | None
    device: str | None
    channel: int | None
    web: str | None
    model: Path | None
    out: Path | None
    head: Path | None
    repeat: Path | None
    forget: Path | None

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        sources = (self.clips, self.from_marks, self.guided)
        others = (*sources, self.model, self.out, self.head)
        for name in ("repeat", "forget"):
            if getattr(self, name) is not None and (
                any(others) or (self.repeat is not None and self.forget is not None)
            ):
                raise click.UsageError(f"--{name} takes no clips and no other file.")
        if self.guided is None and (self.device, self.channel, self.web) != (None, None, None):
            raise click.UsageError("--device, --channel and --web go with --guided only.")
        if self.web is not None:
            try:
                Address.from_text(self.web)
            except ValueError as error:
                raise SettingError("web", f"{self.web!r}: {error}") from error
        if self.repeat is not None or self.forget is not None:
            return
        if not any(sources):
            raise click.UsageError("Name the clips, or give --from-marks or --guided.")
        if self.out is None and (self.guided is None or self.head is not None):
            raise click.UsageError("--out names the model to write.")
        if self.out is not None and self.out.suffix != ".tflite":
            raise SettingError("out", f"{self.out} must end in .tflite")

    def lesson(self) -> Lesson | None:
        """Return the lesson; None if clips are only recorded."""
        if self.repeat is not None:
            return Lesson.of(self.repeat)
        if self.out is None:
            return None
        clips = tuple(path for path in (self.clips, self.guided) if path is not None)
        marks = () if self.from_marks is None else (self.from_marks,)
        return Lesson(self.model, clips, marks, self.out, self.head)


lesson_options = option_group(
    "settings",
    LessonSettings,
    (
        click.argument("clips", type=_FILE, required=False),
        click.option(
            "--from-marks",
            type=_FOLDER,
            metavar="DIR",
            help="Learn from the marked recordings in DIR, the folder of `listen --record`.",
        ),
        click.option(
            "--guided",
            type=_FOLDER,
            metavar="DIR",
            help="First record clips into DIR at the microphone: the terminal says what to say.",
        ),
        click.option("--device", metavar="NAME|INDEX", help="With --guided: the microphone."),
        click.option(
            "--channel",
            type=Integer(0, 1023),
            metavar="N",
            help="With --guided: the channel to record, from 0.  [default: the mean of all]",
        ),
        click.option(
            "--web",
            is_flag=False,
            flag_value=DEFAULT_ADDRESS,
            metavar="[HOST:PORT]",
            help="With --guided: run the session on a web page, not in the terminal.  [default, if "
            f"given alone: {DEFAULT_ADDRESS}]",
        ),
        click.option(
            "--model",
            type=MODEL_PATH,
            metavar="MODEL",
            help=f"The model to teach, *.tflite, or {SHIPPED}.  [default: voices]",
        ),
        click.option("--out", type=_FILE, help="The taught model to write, *.tflite."),
        click.option(
            "--head",
            type=_FILE,
            metavar="FILE",
            help="Also write the last layer alone, for firmware that loads it at run time.",
        ),
        click.option(
            "--repeat",
            type=_FILE,
            metavar="MINE.tflite",
            help="Teach this model again with its clips, after an upgrade of its original model.",
        ),
        click.option(
            "--forget",
            type=_FOLDER,
            metavar="DIR",
            help="Delete the recordings, marks and guided clips in DIR, and do nothing else.",
        ),
    ),
)
