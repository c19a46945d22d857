"""Describes the microphone to Home Assistant, which then shows it without configuration.

One retained message describes the device and all its entities. This device-based MQTT discovery
needs Home Assistant 2024.12.
Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

from sernet_edge import __version__
from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.records import Result

STATUS_TOPIC = "homeassistant/status"
"""Topic where Home Assistant publishes "online" at its start; its default."""

NO_SPEECH = "no speech"
UNSURE = "unsure"


def emotion(result: Result) -> str:
    """Return the emotion's state for a result, one of the entity's options."""
    if result.emotion is None:
        return NO_SPEECH
    return result.emotion if result.sure else UNSURE


def discovery_topic(prefix: str) -> str:
    """Return the discovery topic of the device whose own topics begin with `prefix`."""
    return f"homeassistant/device/{_identifier(prefix)}/config"


def discovery(prefix: str, session: Session, expire_s: int) -> dict[str, Any]:
    """Return the device and its entities.

    Args:
        prefix: The start of the device's own topics.
        session: The source and the model.
        expire_s: Seconds without a state after which Home Assistant shows the entities as
            unavailable: the program runs, but the microphone is gone.
    """
    identifier = _identifier(prefix)
    components = _components(prefix, session.contract, expire_s)
    for key, component in components.items():
        component["unique_id"] = f"{identifier}_{key}"
    return {
        "device": {
            "identifiers": [identifier],
            "name": prefix.replace("/", " "),
            "manufacturer": "sernet-edge",
            "model": session.model,
            "sw_version": __version__,
        },
        "origin": {"name": "sernet-edge", "sw_version": __version__},
        "availability_topic": f"{prefix}/availability",
        "components": components,
    }


def _components(prefix: str, contract: Contract, expire_s: int) -> dict[str, dict[str, Any]]:
    """Return the entities by their keys; see `discovery`."""
    emotions = [label for label in contract.labels if label != NONE]
    state = {"state_topic": f"{prefix}/state", "expire_after": expire_s}
    measured = state | {"state_class": "measurement"}
    has_none = contract.none_index is not None
    knows_speech = "'ON'" if has_none else "'ON' if value_json.speech is not none else None"

    components: dict[str, dict[str, Any]] = {
        "emotion": state
        | {
            "platform": "sensor",
            "name": "Emotion",
            "device_class": "enum",
            "options": [*emotions, UNSURE, NO_SPEECH],
            "value_template": "{{ value_json.emotion }}",
            "icon": "mdi:emoticon-outline",
        },
        "speech": state
        | {
            "platform": "binary_sensor",
            "name": "Speech",
            "device_class": "sound",
            # Without a voice gate and a label "none" it is unknown whether somebody speaks: for
            # Home Assistant, "None" is unknown.
            "value_template": f"{{{{ 'OFF' if value_json.label in (none, {NONE!r}) else "
            f"{knows_speech} }}}}",
        },
        "event": _event(prefix, emotions),
        "level": measured
        | {
            "platform": "sensor",
            "name": "Level",
            "unit_of_measurement": "dBFS",
            "suggested_display_precision": 0,
            "value_template": "{{ value_json.level_dbfs }}",
            "entity_category": "diagnostic",
            "icon": "mdi:microphone",
        },
        "notice": {
            "platform": "sensor",
            "name": "Last notice",
            "state_topic": f"{prefix}/notice",
            # A state has at most 255 characters.
            "value_template": "{{ value_json.text[:255] }}",
            "entity_category": "diagnostic",
            "icon": "mdi:message-alert-outline",
        },
    }
    if contract.arousal_sides is not None:
        arousal = (
            "(100 * value_json.arousal) | round(1) if value_json.arousal is not none else None"
        )
        components["arousal"] = measured | _percent("Arousal", arousal, "mdi:pulse")
    for label in contract.labels:
        score = f"(100 * value_json.scores.get({label!r}, 0)) | round(1)"
        name = f"score_{_identifier(label)}"
        components[name] = measured | _percent(f"Score {label}", score, "mdi:chart-bar")
    return components


def _event(prefix: str, emotions: list[str]) -> dict[str, Any]:
    return {
        "platform": "event",
        "name": "Emotion event",
        "state_topic": f"{prefix}/event",
        "event_types": emotions,
        # Home Assistant ignores an empty text. An event is reported at its start, but not if it
        # arrives late: automations would act as if it happened now.
        "value_template": "{{ dict(value_json, event_type=value_json.label) | tojson "
        "if value_json.kind == 'start' and 'late_s' not in value_json else '' }}",
        "icon": "mdi:account-voice",
    }


def _percent(name: str, expression: str, icon: str) -> dict[str, Any]:
    """Return a sensor for a share."""
    return {
        "platform": "sensor",
        "name": name,
        "unit_of_measurement": "%",
        "suggested_display_precision": 0,
        "value_template": f"{{{{ {expression} }}}}",
        "icon": icon,
    }


def _identifier(name: str) -> str:
    """Return an id for `name`: always the same, and different for different names.

    Home Assistant's own topics allow the letters a to z, digits, `_` and `-`. A name of these
    characters stays as it is, with `/` as `_`. Any other name loses its accents and the characters
    that are not allowed, and gets a hash, so that three Chinese labels have three ids.
    """
    plain = re.sub(r"[^a-zA-Z0-9-]+", "_", _without_marks(name))
    if plain == name.replace("/", "_") and "_" not in name:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{plain.strip('_')}_{digest}".lstrip("_")


def _without_marks(name: str) -> str:
    """Return `name` with `ü` as `u`; letters that are not Latin stay."""
    parts = unicodedata.normalize("NFKD", name)
    return "".join(part for part in parts if not unicodedata.combining(part))
