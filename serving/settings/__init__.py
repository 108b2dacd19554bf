"""What can be set, read into one object."""

from serving.settings.engines import EngineSettings, JudgeSettings, ShadowSettings
from serving.settings.gateway import GatewaySettings
from serving.settings.loading import MASK, SettingsError, load
from serving.settings.ray import RaySettings
from serving.settings.stack import BUNDLED_POLICIES, Settings
from serving.settings.telemetry import TelemetrySettings

__all__ = [
    "BUNDLED_POLICIES",
    "MASK",
    "EngineSettings",
    "GatewaySettings",
    "JudgeSettings",
    "RaySettings",
    "Settings",
    "SettingsError",
    "ShadowSettings",
    "TelemetrySettings",
    "load",
]
