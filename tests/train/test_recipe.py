"""Recipes: their settings, and the command line's options for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from sernet_edge.runtime.errors import SettingError
from sernet_edge.train.options import TrainingOptions, training_options
from sernet_edge.train.recipe import RECIPES, Recipe, recipe_from
from sernet_edge.train.settings import ModelSettings


def settings_from(*arguments: str) -> tuple[ModelSettings | None, str]:
    """Return the settings that the training options make from `arguments`, and the output."""
    taken: list[ModelSettings] = []

    @click.command()
    @training_options
    def command(options: TrainingOptions) -> None:
        taken.append(options.model_settings())

    result = CliRunner().invoke(command, ["--corpus", "emodb", "somewhere", *arguments])
    if isinstance(result.exception, SettingError):
        raise result.exception
    assert result.exit_code in (0, 2)
    return (taken or [None])[0], result.output


def test_any_setting_of_a_recipe_can_be_changed_by_name() -> None:
    settings, _ = settings_from(
        "--set", "speed=0.2", "--set", "batch_size=3", "--set", "loss=focal"
    )
    assert settings is not None
    assert settings.corpora.folders[0].path == Path("somewhere")
    recipe = settings.recipe
    assert (recipe.speed, recipe.batch_size, recipe.loss) == (0.2, 3, "focal")
    assert recipe.mixup == RECIPES["default"].mixup


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tempo=0.2", "no setting 'tempo'"),
        ("batch_size=0", "batch_size must be 1 or more, not 0"),
        ("batch_size=many", "batch_size cannot be 'many'"),
        ("speed=1", "speed must be below 1, not 1.0"),
        ("speed=-0.1", "speed must be 0 or more, not -0.1"),
        ("room_share=1.1", "room_share must be at most 1, not 1.1"),
        ("none_share=1", "none_share must be below 1, not 1.0"),
        ("ema=1", "ema must be below 1, not 1.0"),
        ("mixup=NaN", "mixup must be 0 or more, not nan"),
        ("gain_db=Infinity", "gain_db must be 0 or more, not inf"),
        ("segments=first", "segments must be random or middle or all, not first"),
        ("test_segments=all", "test_segments must be listen or middle, not all"),
        ("schedule=ladder", "schedule must be cosine or stairs, not ladder"),
        ("precision=half", "precision must be float32 or bfloat16, not half"),
        ("mixup", "mixup cannot be ''"),
        ("epochs=Infinity", "epochs cannot be 'Infinity': it is a whole number"),
        ("epochs=1.7", "epochs cannot be '1.7': it is a whole number"),
        ("batch_size=true", "batch_size cannot be 'true': it is a whole number"),
        ('class_weights="false"', "it is true or false"),
        ("mixup=[1]", "mixup cannot be '[1]': it is a number"),
    ],
)
def test_an_impossible_change_is_refused(change: str, message: str) -> None:
    settings, output = settings_from("--set", change)
    assert settings is None
    assert message in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recipe", "robust"), "the recipe adds noise to 50% of the windows"),
        (("--noise", "somewhere"), "the recipe has no use for noise"),
    ],
)
def test_a_recipe_with_noise_and_a_noise_folder_need_each_other(
    arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        settings_from(*arguments)
    settings, _ = settings_from("--recipe", "robust", "--noise", "somewhere")
    assert settings is not None
    assert settings.noise == Path("somewhere")
    assert (settings.recipe.gain_db, settings.recipe.is_robust) == (15.0, True)
    assert settings.new_contract(("a", "b")).labels == ("a", "b", "none")
    assert settings.new_contract(("none", "b")).labels == ("none", "b")
    assert not Recipe().is_robust and not RECIPES["paper"].is_robust


def test_the_papers_recipe_uses_the_middle_of_each_utterance_by_default() -> None:
    chosen = [
        (settings.recipe.segments, settings.recipe.test_segments)
        for arguments in ([], ["--set", "segments=all"])
        if (settings := settings_from("--recipe", "paper", *arguments)[0])
    ]
    assert chosen == [("middle", "middle"), ("all", "middle")]
    assert (Recipe().segments, Recipe().test_segments) == ("random", "listen")


@pytest.mark.parametrize(
    "wrong",
    [
        {"label_shares": "fear=0"},
        {"label_shares": "fear"},
        {"epochs": 0},
        {"loss": "hinge"},
        {"label_smoothing": 1.0},
    ],
)
def test_an_impossible_recipe_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)


def test_a_saved_recipe_gets_the_defaults_of_newer_settings() -> None:
    said = dataclasses.asdict(RECIPES["robust"])
    assert recipe_from(said) == RECIPES["robust"]
    del said["label_shares"]
    assert recipe_from(said) == RECIPES["robust"]


@pytest.mark.parametrize("saved", [None, "fast", {"speed": "high"}, {"new": 1}])
def test_a_recipe_that_this_version_does_not_know_is_none(saved: Any) -> None:
    assert recipe_from(saved) is None
