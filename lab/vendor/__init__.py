"""The lab's own software vendor: a signed apt repository with one product in several versions."""

from lab.vendor.packages import RELEASES, Release, build_package
from lab.vendor.repository import publish

__all__ = ["RELEASES", "Release", "build_package", "publish"]
