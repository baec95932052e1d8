"""What `pyproject.toml` has no word for: modules that stay out of the wheel."""

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """All modules but those that start Neo4j servers from Maven, for tests and developers, who have a clone."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        modules = super().find_package_modules(package, package_dir)
        return [module for module in modules if not (package == "llmrg.testing" and module[1].startswith("neo4j_"))]


setup(cmdclass={"build_py": BuildPy})
