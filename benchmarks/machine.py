"""Owns saying where something was measured: processor, system, Python, packages."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from loadserver import versions as tool_versions

_PACKAGES = ("batchcart", "aiohttp", "aiolimiter", "click", "msgspec", "orjson", "uvloop", "yarl", "multidict")


def machine() -> dict[str, str]:
    """Processor, cores, memory, kernel, Python."""
    return {
        "processor": _processor(),
        "cores": f"{os.cpu_count()} (server on one, client on another)" if (os.cpu_count() or 1) > 1 else "1",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def versions() -> dict[str, str]:
    """Packages of this environment, and the tools that were used."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {**found, **tool_versions()}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or sys.platform
    facts = dict(line.split(":", 1) for line in cpuinfo.read_text().split("\n\n")[0].splitlines() if ":" in line)
    named = {name.strip(): value.strip() for name, value in facts.items()}
    words = [named.get("model name", "unknown")]
    words += [f"{name} {named[name]}" for name in ("cpu family", "model") if name in named]
    return ", ".join(words)
