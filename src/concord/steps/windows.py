"""Delivery windows in words: until when a platform's operations wait."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from concord.steps.context import Context

__all__ = ["waits_until", "window_now"]


def waits_until(ctx: Context, platform: str) -> str:
    """When the platform's window, closed now, opens."""
    at = ctx.project.opening(platform, ctx.now()).changes_at
    return f"opens at {_shown(ctx, platform, at)}" if at else "opens at no time"


def window_now(ctx: Context, platform: str) -> str:
    """How the platform's window is now, and until when."""
    if not ctx.project.windows_of(platform):
        return "always open"
    found = ctx.project.opening(platform, ctx.now())
    if not found.open:
        return f"closed, {waits_until(ctx, platform)}"
    at = found.changes_at
    return f"open until {_shown(ctx, platform, at)}" if at else "always open"


def _shown(ctx: Context, platform: str, at: datetime) -> str:
    zone = ctx.project.timezone_of(platform)
    return f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"
