"""Which kind of processor this is: raters trained alike are the same to the last bit on processors of one kind only.

processor()     # "Intel(R) Xeon(R) Processor, family 6, model 207, amx_tile avx2 avx512f"
"""

from __future__ import annotations

import pathlib
import platform

_CPUINFO = pathlib.Path("/proc/cpuinfo")
# By these XLA and oneDNN choose their code, and with it the order of sums.
_INSTRUCTIONS = frozenset(("avx", "avx2", "avx512f", "avx512_bf16", "amx_tile", "asimd", "fma", "sve"))


def processor(cpuinfo: pathlib.Path = _CPUINFO) -> str:
    """Returns the processor's name and what of its instructions matters; what the platform says where Linux does not.

    Args:
      cpuinfo: a file as Linux has it.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0].splitlines()
    except OSError:
        lines = []
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set((about.get("flags") or about.get("Features", "")).split())
    parts = [
        about.get("model name", ""),
        *(f"{short} {about[key]}" for short, key in (("family", "cpu family"), ("model", "model")) if key in about),
        " ".join(sorted(flags & _INSTRUCTIONS)),
    ]
    return ", ".join(part for part in parts if part) or platform.processor() or platform.machine()
