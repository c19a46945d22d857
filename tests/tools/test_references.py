"""The references of the command line and of C are complete."""

from __future__ import annotations

import re
from pathlib import Path

import c_reference
import cli_reference
import click
import pytest

from sernet_edge.commands import cli

CSRC = Path(__file__).parents[2] / "firmware_export" / "csrc"
CONTEXT = click.Context(cli)


@pytest.mark.parametrize("name", cli.list_commands(CONTEXT))
def test_the_reference_names_each_option_of_a_command(name: str) -> None:
    command = cli.get_command(CONTEXT, name)
    assert command is not None
    section = cli_reference.reference().partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    options = [o for p in command.params if isinstance(p, click.Option) for o in p.opts]
    assert [option for option in options if option not in section] == []


@pytest.mark.parametrize("header", c_reference.HEADERS)
def test_the_reference_has_each_function_of_a_header(header: str) -> None:
    text = re.sub(r"/\*.*?\*/", "", (CSRC / header).read_text(), flags=re.DOTALL)
    prototypes = re.findall(
        r"^(?!static|#|\s)[\w *]+?\b(sernet_\w+)\([^{;]*\);", text, re.MULTILINE
    )
    section = c_reference.reference().partition(f"\n## {header}\n")[2].partition("\n## ")[0]
    assert [name for name in prototypes if f"{name}(" not in section] == []


def test_a_comment_belongs_to_the_next_declaration() -> None:
    text = """
/* About a type. */
typedef struct {
    int a; /* a remark */
#ifdef B
    int b;
#endif
} sernet_thing;

/* About nothing that follows. */

/* Adds. */
static inline int sernet_add(int a, int b) {
    return a + b;
}
"""
    assert list(c_reference.declarations(text)) == [
        (
            "sernet_thing",
            " About a type. ",
            "typedef struct {\n    int a; /* a remark */\n#ifdef B\n    int b;\n#endif\n"
            "} sernet_thing;",
        ),
        ("sernet_add", " Adds. ", "static inline int sernet_add(int a, int b);"),
    ]
