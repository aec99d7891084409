"""The kind of processor that a training log names."""

import platform

from rater_training.engine.processor import processor

INTEL = """processor\t: 0
cpu family\t: 6
model\t\t: 207
model name\t: Intel(R) Xeon(R) Processor
flags\t\t: fpu avx2 sse2 avx512f amx_tile fma

processor\t: 1
model name\t: another
"""
ARM = """processor\t: 0
Features\t: fp asimd sve
CPU implementer\t: 0x41
"""


def test_a_linux_processor_is_named_with_the_instructions_that_matter(tmp_path):
    (tmp_path / "cpuinfo").write_text(INTEL)
    said = processor(tmp_path / "cpuinfo")
    assert said == "Intel(R) Xeon(R) Processor, family 6, model 207, amx_tile avx2 avx512f fma"
    (tmp_path / "cpuinfo").write_text(ARM)
    assert processor(tmp_path / "cpuinfo") == "asimd sve"


def test_elsewhere_it_is_what_the_platform_says(tmp_path):
    assert processor(tmp_path / "none") == (platform.processor() or platform.machine())
    assert processor()
