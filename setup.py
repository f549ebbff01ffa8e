"""Install the top-level folders as subpackages of one import name, `dualgate`."""

from setuptools import find_packages, setup

FOLDERS = ("schemas", "producers", "processors", "gate", "sinks", "lab", "cli")
found = find_packages(include=[p for f in FOLDERS for p in (f, f"{f}.*")])
setup(
    packages=[f"dualgate.{name}" for name in found],
    package_dir={f"dualgate.{f}": f for f in FOLDERS},
    package_data={"": ["py.typed", "*.avsc", "avsc/*.avsc", "avsc/past/*.avsc", "*.j2", "*.lock", "*.json"]},
)
