"""The training guide: its example runs up to the point where it needs a corpus."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from sernet_edge.runtime.errors import SernetError

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "training.md"


def test_the_example_reaches_the_corpus_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with pytest.raises(SernetError, match="the corpus folder emodb does not exist"):
        exec(compile(ast.parse(example), "training.md", "exec"), names)
    assert names["settings"].model.recipe.epochs == 45
    assert names["convert"] and names["ConversionSettings"]
